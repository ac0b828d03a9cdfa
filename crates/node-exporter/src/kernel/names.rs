//! How kernel names become metric names and label values.

/// Text of a label: each run of invalid UTF-8 becomes one U+FFFD.
pub use exporter_core::exposition::names::lossy as label_text;

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
}
