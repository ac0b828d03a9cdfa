//! Label names made of Kubernetes keys.

use std::collections::HashMap;

/// Replaces every character that a label name cannot hold.
pub fn sanitise(name: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars()
        .map(|c| if legal(c) { c } else { '_' })
        .collect()
}

/// The label name of a key: `prefix_` and the key in snake case.
fn label_name(prefix: &str, key: &str) -> String {
    let mut name = String::with_capacity(prefix.len() + key.len() + 4);
    name.push_str(prefix);
    name.push('_');
    let mut previous = ' ';
    for c in sanitise(key).chars() {
        let lower = previous.is_ascii_lowercase() || previous.is_ascii_digit();
        if lower && c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
        previous = c;
    }
    name
}

/// Label names of keys in their order, none twice. Of keys that give the same name each gets a
/// number behind it, the first one after the fact.
pub fn label_names<'a>(prefix: &str, keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    // Names given out and their places.
    let mut taken: HashMap<String, usize> = HashMap::new();
    // The last number behind each name that several keys gave.
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for key in keys {
        let mut name = label_name(prefix, key);
        let place = names.len();
        let collided = numbers.contains_key(&name);
        if collided || taken.contains_key(&name) {
            let number = numbers.entry(name.clone()).or_default();
            if let Some(first) = (!collided).then(|| taken.remove(&name)).flatten() {
                names[first] = next_free(&name, number, &taken);
                taken.insert(names[first].clone(), first);
            }
            name = next_free(&name, number, &taken);
        }
        taken.insert(name.clone(), place);
        names.push(name);
    }
    names
}

fn next_free(base: &str, number: &mut u32, taken: &HashMap<String, usize>) -> String {
    loop {
        *number += 1;
        let name = format!("{base}_conflict{number}");
        if !taken.contains_key(&name) {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_snake_case() {
        for (key, name) in [
            ("app", "label_app"),
            ("app.kubernetes.io/name", "label_app_kubernetes_io_name"),
            ("camelCase", "label_camel_case"),
            ("HTTPServer", "label_httpserver"),
            ("a1B", "label_a1_b"),
            ("aBcD", "label_a_bc_d"),
            ("9lives", "label_9lives"),
            ("ünicode", "label__nicode"),
        ] {
            assert_eq!(label_name("label", key), name);
        }
    }

    #[test]
    fn conflicts_are_numbered_and_dodge_real_names() {
        let names = |keys: &[&str]| label_names("label", keys.iter().copied());
        assert_eq!(
            names(&["a-b", "a.b", "a_b", "c"]),
            [
                "label_a_b_conflict1",
                "label_a_b_conflict2",
                "label_a_b_conflict3",
                "label_c"
            ]
        );
        assert_eq!(
            names(&["a_b_conflict1", "a-b", "a.b"]),
            [
                "label_a_b_conflict1",
                "label_a_b_conflict2",
                "label_a_b_conflict3"
            ]
        );
        assert_eq!(
            names(&["a-b", "a.b", "a_b_conflict1"]),
            [
                "label_a_b_conflict1_conflict1",
                "label_a_b_conflict2",
                "label_a_b_conflict1_conflict2"
            ]
        );
    }
}
