//! The rules of yaml.v3: keys are scalars and stand once, and merge keys bring what is not there yet.

use super::{Node, Value, tree};

/// The first document of a text, merge keys resolved; `None` where there is none. What follows it is
/// not looked at. The error begins with line and column.
pub fn first_document(text: &str) -> Result<Option<Node>, String> {
    tree::read(text)?.map(checked).transpose()
}

fn checked(node: Node) -> Result<Node, String> {
    let value = match node.value {
        Value::Mapping(entries) => mapping(entries)?,
        Value::Sequence(items) => {
            Value::Sequence(items.into_iter().map(checked).collect::<Result<_, _>>()?)
        }
        scalar @ Value::Scalar { .. } => scalar,
    };
    Ok(Node { value, ..node })
}

fn mapping(written: Vec<(Node, Node)>) -> Result<Value, String> {
    let mut entries: Vec<(Node, Node)> = Vec::with_capacity(written.len());
    let mut merged = Vec::new();
    for (key, value) in written {
        let (key, value) = (checked(key)?, checked(value)?);
        let Some(name) = key.text() else {
            return Err(format!("{}: expected a key, got {}", key.place, key.kind()));
        };
        if key.is_merge_key() {
            merged.push(value);
            continue;
        }
        if let Some(first) = entries.iter().find(|e| e.0.text() == Some(name)) {
            return Err(format!(
                "{}: key {name:?} is there already, at line {}",
                key.place, first.0.place.line
            ));
        }
        entries.push((key, value));
    }
    for node in merged {
        merge(&mut entries, node)?;
    }
    Ok(Value::Mapping(entries))
}

/// Adds what a merge key brings and is not there yet.
fn merge(entries: &mut Vec<(Node, Node)>, node: Node) -> Result<(), String> {
    match node.value {
        Value::Mapping(more) => {
            for (key, value) in more {
                if !entries.iter().any(|e| e.0.text() == key.text()) {
                    entries.push((key, value));
                }
            }
            Ok(())
        }
        Value::Sequence(nodes) => nodes.into_iter().try_for_each(|n| merge(entries, n)),
        Value::Scalar { .. } => Err(format!(
            "{}: a merge key takes a mapping or a list of mappings",
            node.place
        )),
    }
}
