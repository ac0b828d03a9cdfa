//! Which families, labels and annotations are exposed: the lists of flags and of the file.

use crate::series::Family;
use exporter_core::dialect::regexp;
use std::collections::BTreeMap;

/// Keys of labels or annotations, each with at most one `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    all: bool,
    patterns: Vec<(String, Option<String>)>,
}

impl Keys {
    /// Every key.
    pub fn all() -> Self {
        Keys {
            all: true,
            patterns: Vec::new(),
        }
    }

    /// From the keys of a list. `*` stands for every key where it comes first; the first one within
    /// a key for any text.
    pub fn new(keys: &[String]) -> Self {
        let all = keys.first().is_some_and(|key| key == "*");
        let pattern = |key: &String| match key.split_once('*') {
            Some((before, after)) => (before.to_owned(), Some(after.to_owned())),
            None => (key.clone(), None),
        };
        let patterns = keys.iter().filter(|key| *key != "*").map(pattern).collect();
        Keys { all, patterns }
    }

    /// Whether nothing is chosen.
    pub fn is_empty(&self) -> bool {
        !self.all && self.patterns.is_empty()
    }

    /// Whether a key is chosen.
    pub fn contains(&self, key: &str) -> bool {
        self.all
            || self.patterns.iter().any(|(before, after)| match after {
                None => key == before,
                Some(after) => {
                    key.len() >= before.len() + after.len()
                        && key.starts_with(before.as_str())
                        && key.ends_with(after.as_str())
                }
            })
    }
}

/// Lists of keys by the plural names of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLists(pub BTreeMap<String, Vec<String>>);

impl KeyLists {
    /// Parses `pods=[app,tier-*],nodes=[*]`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "invalid format, metric=[label1,label2,labeln...],metricN=[]".to_owned();
        let mut lists = BTreeMap::new();
        if !text.contains('=') {
            return Ok(KeyLists(lists));
        }
        let mut rest = text;
        loop {
            let (name, tail) = rest.split_once('=').ok_or_else(wrong)?;
            let (list, tail) = tail
                .strip_prefix('[')
                .and_then(|tail| tail.split_once(']'))
                .ok_or_else(wrong)?;
            if name.contains(['[', ']', ',']) || list.contains(['=', '[']) {
                return Err(wrong());
            }
            let mut keys: Vec<String> = list.split(',').map(|key| key.trim().to_owned()).collect();
            if list.is_empty() {
                keys.clear();
            } else if list.starts_with(',') || list.ends_with(',') || list.contains(",,") {
                return Err(wrong());
            }
            keys.retain(|key| !key.is_empty());
            check(&keys)?;
            lists.insert(name.trim().to_owned(), keys);
            match tail.strip_prefix(',') {
                Some(next) if !next.is_empty() => rest = next,
                None if tail.is_empty() => return Ok(KeyLists(lists)),
                _ => return Err(wrong()),
            }
        }
    }

    /// From the lists of a file.
    pub fn new(lists: BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        lists.values().try_for_each(|keys| check(keys))?;
        Ok(KeyLists(lists))
    }

    /// The keys of a resource. A list for `*` is that of every resource.
    pub fn keys(&self, plural: &str) -> Keys {
        let list = self.0.get("*").or_else(|| self.0.get(plural));
        list.map_or_else(Keys::default, |keys| Keys::new(keys))
    }
}

/// Refuses keys with more than one `*`.
fn check(keys: &[String]) -> Result<(), String> {
    match keys.iter().find(|key| key.matches('*').count() > 1) {
        Some(key) => Err(format!(
            "{key:?}: invalid format, only one wildcard per label allowed"
        )),
        None => Ok(()),
    }
}

/// Which families are exposed.
#[derive(Clone, Default)]
pub struct Filter {
    allow: Vec<regress::Regex>,
    deny: Vec<regress::Regex>,
    opt_in: Vec<regex::Regex>,
}

impl Filter {
    /// From lists of regular expressions: ECMAScript ones to allow or to deny, RE2 ones to opt in.
    /// All are searched for in names.
    pub fn new(allow: &[String], deny: &[String], opt_in: &[String]) -> Result<Self, String> {
        if !allow.is_empty() && !deny.is_empty() {
            return Err(
                "--metric-allowlist and --metric-denylist are mutually exclusive: give \
                        one of them"
                    .to_owned(),
            );
        }
        let compile = |patterns: &[String]| -> Result<Vec<_>, String> {
            let one = |pattern: &String| {
                let regex = regress::Regex::new(pattern);
                regex.map_err(|e| format!("bad regular expression {pattern:?}: {e}"))
            };
            patterns.iter().map(one).collect()
        };
        Ok(Filter {
            allow: compile(allow)?,
            deny: compile(deny)?,
            opt_in: opt_in
                .iter()
                .map(|p| regexp::compile(p))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether a family of this name passes the lists of what is allowed and denied.
    pub fn allows(&self, name: &str) -> bool {
        let any = |regexes: &[regress::Regex]| regexes.iter().any(|r| r.find(name).is_some());
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }

    /// Whether a family is exposed.
    pub fn takes<T>(&self, family: &Family<T>) -> bool {
        let opted = || self.opt_in.iter().any(|regex| regex.is_match(family.name));
        self.allows(family.name) && (!family.opt_in || opted())
    }
}

/// All lists together.
#[derive(Clone, Default)]
pub struct Selection {
    /// Families.
    pub filter: Filter,
    /// Labels by resource.
    pub labels: KeyLists,
    /// Annotations by resource.
    pub annotations: KeyLists,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<Vec<(String, Vec<String>)>> {
        KeyLists::parse(text)
            .ok()
            .map(|lists| lists.0.into_iter().collect())
    }

    fn lists(expected: &[(&str, &[&str])]) -> Option<Vec<(String, Vec<String>)>> {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        Some(
            expected
                .iter()
                .map(|(name, keys)| ((*name).to_owned(), owned(keys)))
                .collect(),
        )
    }

    #[test]
    fn key_lists() {
        assert_eq!(parsed("nodes=[*]"), lists(&[("nodes", &["*"])]));
        assert_eq!(parsed(""), lists(&[]));
        assert_eq!(parsed("pods"), lists(&[]));
        assert_eq!(
            parsed("pods=[a, b,\n c],nodes=[]"),
            lists(&[("nodes", &[]), ("pods", &["a", "b", "c"])])
        );
        assert_eq!(parsed("pods=[a],pods=[b]"), lists(&[("pods", &["b"])]));
        for wrong in [
            "pods=a",
            "pods= [a]",
            "pods=[a",
            "pods=[a],",
            "pods=[a,]",
            "pods=[a,,b]",
            ",=[a]",
            "pods=[a] ,nodes=[b]",
            "pods=[a]nodes=[b]",
            "pods=[[a]]",
            "=",
            "pods=[a*b*]",
            "pods=[,a]",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn wildcards() {
        let keys = |keys: &[&str]| {
            Keys::new(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
        };
        assert!(keys(&["*", "a"]).contains("anything"));
        assert!(!keys(&["a", "*"]).contains("anything"));
        assert!(keys(&["app.*/name"]).contains("app.example/name"));
        assert!(!keys(&["app.*"]).contains("appx"));
        assert!(!keys(&["aba*aba"]).contains("abaaba".get(..5).unwrap()));
        assert!(keys(&[]).is_empty() && !keys(&["a"]).is_empty());
    }

    #[test]
    fn expressions_search_and_look_around() {
        let list = |pattern: &str| vec![pattern.to_owned()];
        let filter = Filter::new(&list("kube_pod_(?!status)"), &[], &[]).unwrap();
        assert!(filter.allows("kube_pod_info") && !filter.allows("kube_pod_status_phase"));
        let filter = Filter::new(&[], &list("info"), &[]).unwrap();
        assert!(!filter.allows("kube_pod_info") && filter.allows("kube_pod_owner"));
        assert!(Filter::new(&list("a"), &list("b"), &[]).is_err());
        assert!(Filter::new(&list("("), &[], &[]).is_err());
        assert!(Filter::new(&[], &[], &list("(")).is_err());
    }
}
