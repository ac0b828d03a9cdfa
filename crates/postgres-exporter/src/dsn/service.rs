//! The connection service file (`~/.pg_service.conf`): sections of `key=value` lines.

/// The pairs of one section; `None` where there is no such section.
pub fn section(text: &str, name: &str) -> Option<Vec<(String, String)>> {
    let mut inside = false;
    let mut found = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            if inside {
                break;
            }
            inside = header.strip_suffix(']') == Some(name);
            if inside {
                found = Some(Vec::new());
            }
        } else if let (true, Some((key, value))) = (inside, line.split_once('='))
            && let Some(pairs) = &mut found
        {
            pairs.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sections() {
        let text = "# c\n[a]\nhost=x\n\n[b]\nhost = y\nport=1\nnonsense\n[c]\nhost=z\n";
        let pairs = section(text, "b").unwrap();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(pairs, [("host", "y"), ("port", "1")]);
        assert_eq!(section(text, "d"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = section(&text, "a");
        }
    }
}
