//! The values of a chart with their comments. `# -- text` above a key describes it; `(type or type)`
//! at the start of the text widens what is accepted.

use serde_json::Value;
use std::path::Path;

/// One key with its default.
pub struct Entry {
    /// Keys from the root, joined by dots.
    pub path: Vec<String>,
    /// What the comment says, without its types.
    pub text: Option<String>,
    /// Types that the comment names.
    pub types: Vec<String>,
    /// The default.
    pub default: Value,
}

/// Reads a file of values in the order of its lines.
pub fn read(file: &Path) -> Result<Vec<Entry>, String> {
    let told = |why: String| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| told(e.to_string()))?;
    let whole: Value = serde_saphyr::from_str(&text).map_err(|e| told(e.to_string()))?;
    let mut entries: Vec<Entry> = Vec::new();
    // Indentation and name of the keys that enclose a line.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut comment: Option<String> = None;
    for line in text.lines() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if let Some(words) = body.strip_prefix("# -- ") {
            comment = Some(words.to_owned());
        } else if let (Some(words), Some(comment)) = (body.strip_prefix("# "), comment.as_mut()) {
            comment.push(' ');
            comment.push_str(words);
        } else if let Some(key) = key(body) {
            open.retain(|(outer, _)| *outer < indent);
            open.push((indent, key));
            let path: Vec<String> = open.iter().map(|(_, key)| key.clone()).collect();
            // What stands below a described key is part of its default.
            let inside = |entry: &Entry| entry.text.is_some() && path.starts_with(&entry.path);
            if !entries.iter().any(inside) {
                let default = lookup(&whole, &path).cloned();
                let default =
                    default.ok_or_else(|| told(format!("{} is not a key", path.join("."))))?;
                let (types, text) = comment.take().map_or((vec![], None), split);
                entries.push(Entry {
                    path,
                    text,
                    types,
                    default,
                });
            }
            comment = None;
        } else if body.is_empty() {
            comment = None;
        }
    }
    for entry in &entries {
        let is_section = entry.default.as_object().is_some_and(|map| !map.is_empty());
        if entry.text.is_none() && !is_section {
            return Err(told(format!("{} has no comment", entry.path.join("."))));
        }
    }
    Ok(entries)
}

/// The key of a line such as `name: value`; not of list items.
fn key(body: &str) -> Option<String> {
    if body.starts_with(['-', '#', '{', '[']) {
        return None;
    }
    let (key, rest) = body.split_once(':')?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| key.trim_matches('"').to_owned())
}

fn split(comment: String) -> (Vec<String>, Option<String>) {
    let widened = comment
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(") "));
    match widened {
        Some((types, text)) => {
            let types = types.split(" or ").map(str::to_owned).collect();
            (types, Some(text.to_owned()))
        }
        None => (vec![], Some(comment)),
    }
}

fn lookup<'a>(whole: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(whole, |value, key| value.get(key))
}
