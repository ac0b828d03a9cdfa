//! Go durations (`1h30m`, `300ms`).

use std::time::Duration;

/// Parses a duration that may not be negative. Days and weeks are accepted as kingpin 2.4 does.
pub fn parse_non_negative(text: &str) -> Result<Duration, String> {
    let error = || format!("invalid duration {text:?}");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(error)?;
        let number: f64 = rest[..digits].parse().map_err(|_| error())?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86400.0,
                "w" => 604_800.0,
                _ => return Err(error()),
            };
        rest = &rest[end..];
    }
    if text.is_empty() {
        Err(error())
    } else {
        Duration::try_from_secs_f64(total).map_err(|_| error())
    }
}
