//! How kernel names become metric names and label values.

use std::borrow::Cow;

/// Metric name part: a run of other characters, with the underscores around it, becomes one
/// underscore. Runs of underscores alone stay.
pub fn metric_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut underscores = 0;
    let mut replaced = false;
    for c in text.chars() {
        match c {
            '_' => underscores += 1,
            '0'..='9' | 'A'..='Z' | 'a'..='z' => {
                flush(&mut name, &mut underscores, &mut replaced);
                name.push(c);
            }
            _ => replaced = true,
        }
    }
    flush(&mut name, &mut underscores, &mut replaced);
    name
}

fn flush(name: &mut String, underscores: &mut usize, replaced: &mut bool) {
    let count = if *replaced { 1 } else { *underscores };
    name.extend(std::iter::repeat_n('_', count));
    (*underscores, *replaced) = (0, false);
}

/// Text of a label: each run of invalid UTF-8 becomes one U+FFFD.
pub fn label_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut in_run = false;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            text.push_str(chunk.valid());
            in_run = false;
        }
        if !chunk.invalid().is_empty() && !in_run {
            text.push(char::REPLACEMENT_CHARACTER);
            in_run = true;
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names() {
        for (text, name) in [
            ("rx_packets", "rx_packets"),
            ("rx.packets", "rx_packets"),
            ("rx _ packets", "rx_packets"),
            ("tx__a", "tx__a"),
            ("  lead", "_lead"),
            ("port.tx-(drop)", "port_tx_drop_"),
            ("trail_", "trail_"),
            ("trail._", "trail_"),
            ("a:b", "a_b"),
            ("é", "_"),
            ("", ""),
            ("nul\0", "nul_"),
        ] {
            assert_eq!(metric_name(text), name, "{text:?}");
        }
    }

    #[test]
    fn label_texts() {
        assert_eq!(label_text(b"caf\xc3\xa9"), "café");
        assert_eq!(label_text(b"a\xff\xfeb\xff"), "a\u{fffd}b\u{fffd}");
    }
}
