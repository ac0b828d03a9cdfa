//! Sizes with units, all of them powers of 1024, with and without the `i`.

const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];

/// Parses one or more numbers with units. What is negative is the largest size; more than eight
/// exabytes is none.
pub fn parse(text: &str) -> Option<u64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0f64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..end].parse().ok()?;
        if number >= i64::MAX as f64 {
            return None;
        }
        rest = &rest[end..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = rest[..end].replace('i', "");
        let power = UNITS.iter().position(|u| *u == unit)?;
        if rest[..end] == *"iB" || rest[..end].matches('i').count() > 1 {
            return None;
        }
        total += number * 1024f64.powi(power as i32);
        rest = &rest[end..];
    }
    if total > i64::MAX as f64 {
        return None;
    }
    match negative && total > 0.0 || total >= i64::MAX as f64 {
        true => Some(i64::MAX as u64),
        false => Some(total as u64),
    }
}

/// Prints a size as a row of binary units; 0 is nothing.
pub fn format(mut bytes: u64) -> String {
    let mut out = String::new();
    for (power, unit) in UNITS.iter().enumerate().rev() {
        let size = 1u64 << (10 * power);
        if bytes >= size {
            let unit = unit.replace('B', if power > 0 { "iB" } else { "B" });
            out.push_str(&format!("{}{unit}", bytes / size));
            bytes %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("10MB", Some(10 << 20)),
            ("10MiB", Some(10 << 20)),
            ("1.5KB", Some(1536)),
            ("1MiB512KiB", Some((1 << 20) + (512 << 10))),
            ("0", Some(0)),
            ("1B", Some(1)),
            ("-1B", Some(i64::MAX as u64)),
            ("8EB", Some(i64::MAX as u64)),
            ("4EB4EB", Some(i64::MAX as u64)),
            ("9EB", None),
            ("-9EB", None),
            ("9223372036854775808B", None),
            ("10", None),
            ("10mb", None),
            ("10M", None),
            ("1iB", None),
            ("", None),
            ("MB", None),
        ] {
            assert_eq!(parse(text), bytes, "{text}");
        }
        assert_eq!(format(1_572_864), "1MiB512KiB");
        assert_eq!(format(1), "1B");
        assert_eq!(format(0), "");
    }
}
