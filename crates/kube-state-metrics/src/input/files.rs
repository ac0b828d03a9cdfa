//! Objects of files, in place of an API server: dumps of `kubectl get -o yaml` or `-o json`, lists,
//! documents one behind the other.

use super::splitter::{Part, Splitter};
use crate::labels::Selector;
use crate::object::{Lax, Pairs, Text, parse};
use crate::series::Writer;
use crate::world::{Feed, Scope};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What decides where an object goes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Address {
    api_version: Text,
    kind: Text,
    metadata: Lax<AddressMetadata>,
    spec: Lax<AddressSpec>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddressMetadata {
    namespace: Text,
    labels: Pairs,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AddressSpec {
    node_name: Text,
}

/// Reads objects of files into the stores of feeds.
pub struct Reader<'f> {
    feeds: &'f [Feed],
    scope: &'f Scope,
    /// Label selectors by resource.
    selectors: BTreeMap<&'f str, Selector>,
    writer: Writer,
    /// Objects kept, and those of resources that no feed wants.
    kept: usize,
    unwanted: usize,
}

impl<'f> Reader<'f> {
    /// Into these feeds what is within the scope.
    ///
    /// # Errors
    /// A label selector that cannot be read.
    pub fn new(feeds: &'f [Feed], scope: &'f Scope) -> Result<Self, String> {
        let mut selectors = BTreeMap::new();
        for (name, selector) in &scope.labels {
            selectors.insert(name.as_str(), Selector::parse(selector)?);
        }
        Ok(Reader {
            feeds,
            scope,
            selectors,
            writer: Writer::default(),
            kept: 0,
            unwanted: 0,
        })
    }

    /// Reads files, and those of directories that end in `.json`, `.yaml` or `.yml`.
    ///
    /// # Errors
    /// The file and what is wrong with it.
    pub fn read(&mut self, paths: &[PathBuf]) -> Result<(), String> {
        for path in paths {
            for file in files(path)? {
                let name = file.display();
                self.file(&file).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        let (kept, unwanted) = (self.kept, self.unwanted);
        tracing::info!(kept, unwanted, "Read objects of files");
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), String> {
        let mut file = std::fs::File::open(path).map_err(|e| e.to_string())?;
        let mut buffer = vec![0; 64 * 1024];
        let mut read = fill(&mut file, &mut buffer)?;
        let first = buffer[..read]
            .iter()
            .find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            let mut text = buffer[..read].to_vec();
            file.read_to_end(&mut text).map_err(|e| e.to_string())?;
            let text = String::from_utf8(text).map_err(|_| "expected UTF-8".to_owned())?;
            return self.yaml(&text);
        }
        let mut splitter = Splitter::default();
        while read > 0 {
            splitter.push(&buffer[..read], &mut |part| self.part(part))?;
            read = fill(&mut file, &mut buffer)?;
        }
        splitter.finish()
    }

    fn yaml(&mut self, text: &str) -> Result<(), String> {
        // Dumps quote what only older YAML takes for a boolean, and may be of any size.
        let options = serde_saphyr::options! { strict_booleans: true, budget: None };
        let documents: Vec<serde_json::Value> =
            serde_saphyr::from_multiple_with_options(text, options)
                .map_err(|e| e.without_snippet().to_string())?;
        let mut splitter = Splitter::default();
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            let json = document.to_string();
            splitter.push(json.as_bytes(), &mut |part| self.part(part))?;
        }
        splitter.finish()
    }

    fn part(&mut self, part: Part<'_>) -> Result<(), String> {
        match part {
            Part::Item { json, list } => {
                let mut address: Address = parse(json)?;
                if address.kind.is_empty() {
                    // Objects of a list from the API itself have the kind of the list.
                    address = self.within(parse(list)?, address);
                }
                self.object(&address, json)
            }
            Part::Document(json) => {
                let address: Address = parse(json)?;
                match address.kind.ends_with("List") {
                    true => Ok(()),
                    false => self.object(&address, json),
                }
            }
        }
    }

    fn within(&self, list: Address, item: Address) -> Address {
        let kind = list.kind.strip_suffix("List").unwrap_or(&list.kind);
        Address {
            kind: Lax(kind.to_owned()),
            api_version: list.api_version,
            ..item
        }
    }

    fn object(&mut self, address: &Address, json: &[u8]) -> Result<(), String> {
        if address.kind.is_empty() {
            return Err("expected objects with apiVersion and kind".to_owned());
        }
        let wanted = |feed: &&Feed| {
            feed.api.kind == address.kind.as_str()
                && feed.api.api_version() == address.api_version.as_str()
        };
        let Some(feed) = self.feeds.iter().find(wanted) else {
            self.unwanted += 1;
            return Ok(());
        };
        let namespace = &address.metadata.namespace;
        let denied = self.scope.denied.contains(namespace);
        let elsewhere = |node: &String| *node != *address.spec.node_name;
        let selector = self.selectors.get(feed.name.as_str());
        if selector.is_some_and(|selector| !selector.selects(&address.metadata.labels)) {
            return Ok(());
        }
        if feed.api.namespaced && (denied || self.scope.node.as_ref().is_some_and(elsewhere)) {
            return Ok(());
        }
        for (of, store) in &feed.stores {
            if of.as_ref().is_some_and(|of| *of != **namespace) {
                continue;
            }
            let keep = |uid: &str| self.scope.shard.keeps(uid);
            let kind = &address.kind;
            let record = feed.encoder.record(json, &keep, &mut self.writer);
            if let Some((uid, record)) = record.map_err(|why| format!("{}: {why}", **kind))? {
                store.put(uid, record);
                self.kept += 1;
            }
        }
        Ok(())
    }
}

fn fill(file: &mut std::fs::File, buffer: &mut [u8]) -> Result<usize, String> {
    file.read(buffer).map_err(|e| e.to_string())
}

/// The path itself, or the files of the directory by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("json" | "yaml" | "yml"))
    });
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::{Form, Scrape};
    use crate::resources::Resource;
    use crate::selection::Selection;
    use crate::world::World;

    fn infos(files: &[(&str, &str)], namespaces: &[&str], scope: &Scope) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let namespaces: Vec<String> = namespaces.iter().map(|n| (*n).to_owned()).collect();
        let feed = |plural| {
            Feed::new(
                Resource::find(plural).unwrap(),
                &Selection::default(),
                &namespaces,
            )
        };
        let feeds = [feed("configmaps"), feed("pods")];
        let mut reader = Reader::new(&feeds, scope).unwrap();
        reader.read(&[directory.path().to_owned()]).unwrap();
        let world = World::new(feeds.iter());
        let form = Form {
            open_metrics: false,
            gzip: false,
        };
        let mut scrape = Scrape::new(world.groups().iter(), form);
        let mut text = Vec::new();
        while let Some(part) = scrape.part() {
            text.extend_from_slice(&part);
        }
        let text = String::from_utf8(text).unwrap();
        let lines = text.lines().filter(|line| line.contains("_info{"));
        lines
            .map(|line| line.split("\",").take(2).collect::<Vec<_>>().join(" "))
            .collect()
    }

    const YAML: &str = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  \
                        metadata: {name: a, namespace: x}\n---\n---\nkind: ConfigMap\napiVersion: v1\n\
                        metadata: {name: b, namespace: y, uid: u}\n---\nkind: Odd\napiVersion: v1\n";
    const JSON: &str = r#"{"kind":"PodList","apiVersion":"v1","items":[
        {"metadata":{"name":"p","namespace":"x","uid":"1"},"spec":{"nodeName":"n"}},
        {"metadata":{"name":"q","namespace":"y","uid":"2","labels":{"app":"web"}}}]}"#;

    #[test]
    fn lists_documents_and_scopes() {
        let files = [("a.yaml", YAML), ("b.json", JSON), ("c.txt", "x")];
        let all = infos(&files, &[], &Scope::default());
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all[0].starts_with("kube_configmap_info{namespace=\"x"));
        assert_eq!(infos(&files, &["y"], &Scope::default()).len(), 2);
        assert_eq!(infos(&files, &["y", "y"], &Scope::default()).len(), 4);
        let denied = Scope {
            denied: vec!["y".to_owned()],
            ..Scope::default()
        };
        assert_eq!(infos(&files, &[], &denied).len(), 2);
        let node = Scope {
            node: Some("n".to_owned()),
            ..Scope::default()
        };
        assert_eq!(infos(&files, &[], &node).len(), 1);
        for (selector, count) in [("app=web", 3), ("app!=web", 3), ("!app,x", 2)] {
            let selected = Scope {
                labels: [("pods".to_owned(), selector.to_owned())].into(),
                ..Scope::default()
            };
            assert_eq!(infos(&files, &[], &selected).len(), count, "{selector}");
        }
        let unscheduled = Scope {
            node: Some(String::new()),
            ..Scope::default()
        };
        assert_eq!(infos(&[("b.json", JSON)], &[], &unscheduled).len(), 1);
    }

    #[test]
    fn shards_together_are_all_objects() {
        let object = |number| {
            let metadata = format!(r#"{{"name":"m{number}","namespace":"x","uid":"u{number}"}}"#);
            format!(r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{metadata}}}"#)
        };
        let text: String = (0..100).map(object).collect();
        let files = [("a.json", text.as_str())];
        let all = infos(&files, &[], &Scope::default());
        let mut parts = Vec::new();
        for ordinal in 0..4 {
            let shard = crate::sharding::Shard { ordinal, total: 4 };
            let part = infos(
                &files,
                &[],
                &Scope {
                    shard,
                    ..Scope::default()
                },
            );
            assert!(!part.is_empty() && part.len() < all.len());
            parts.extend(part);
        }
        assert_eq!(all.len(), 100);
        assert_eq!(sorted(parts), sorted(all));
    }

    fn sorted(mut lines: Vec<String>) -> Vec<String> {
        lines.sort();
        lines
    }
}
