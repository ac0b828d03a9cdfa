//! Whether an `Accept-Encoding` header admits the compression that a module expects.

/// Checks a header value against the name of a compression; both not empty.
pub fn admits(accept_encoding: &str, compression: &str) -> bool {
    let mut items: Vec<(&str, f64)> = accept_encoding.split(',').map(item).collect();
    items.sort_by(|a, b| b.1.total_cmp(&a.1));
    let found = items
        .iter()
        .find(|(name, _)| *name == compression || *name == "*");
    found.is_some_and(|(_, quality)| *quality > 0.0)
}

/// Name and quality, the latter in thousandths.
fn item(text: &str) -> (&str, f64) {
    let text = text.trim();
    let Some((name, parameter)) = text.rsplit_once(';') else {
        return (text, 1.0);
    };
    let quality = parameter
        .split_once("q=")
        .and_then(|(_, q)| q.trim().parse::<f64>().ok());
    let quality = quality.filter(|q| q.is_finite()).unwrap_or(0.0);
    (name.trim(), (quality * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::admits;

    #[test]
    fn headers() {
        for (header, compression, expected) in [
            ("gzip", "gzip", true),
            ("gzip, br", "br", true),
            ("*", "gzip", true),
            ("deflate", "gzip", false),
            ("gzip;q=0", "gzip", false),
            ("gzip;q=0.0001", "gzip", false),
            ("br;q=1, *;q=0", "gzip", false),
            ("*;q=0.5, gzip;q=0", "gzip", true),
            ("GZIP", "gzip", false),
            ("gzip;level=1", "gzip", false),
            ("gzip ; q=0.5", "gzip", true),
        ] {
            assert_eq!(admits(header, compression), expected, "{header}");
        }
    }
}
