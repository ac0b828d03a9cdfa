//! Settings that are booleans or numbers, in base units, from `pg_settings`.

use super::{Setup, Statements};
use crate::rows::Rows;
use exporter_core::cli::Flag;
use exporter_core::collector::Error;
use exporter_core::exposition::Dynamic;
use exporter_core::exposition::{Arena, Family, Kind};
use std::fmt::Write;

/// Flags of this collector.
pub const FLAGS: &[Flag] = &[];

static PATTERN: Family = Family::gauge(
    "pg_settings_<name>",
    &[],
    "A setting of the server that is a boolean or a number, in seconds or bytes where it has a unit; -1 keeps its meaning.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&PATTERN]
}

/// Makes the collector. The time limit that this very statement runs under is not told; `reset_val`
/// is what the session has otherwise.
pub fn new(_: &Setup) -> Result<Statements, String> {
    const SQL: &str = "SELECT name, CASE name WHEN 'statement_timeout' THEN reset_val ELSE setting \
                       END, unit, vartype FROM pg_settings WHERE vartype IN ('bool', \
                       'integer', 'real') AND name NOT IN ('sync_commit_cancel_wait', \
                       'google_dataplex.max_messages')";
    Ok(Statements::one(
        |_| SQL.into(),
        |rows, _, out| put(rows, out),
    ))
}

/// Units: name, suffix of the family, factor.
const UNITS: &[(&str, &str, f64)] = &[
    ("", "", 1.0),
    ("ms", "_seconds", 0.001),
    ("s", "_seconds", 1.0),
    ("min", "_seconds", 60.0),
    ("h", "_seconds", 3600.0),
    ("d", "_seconds", 86400.0),
    ("B", "_bytes", 1.0),
    ("kB", "_bytes", 1024.0),
    ("MB", "_bytes", 1048576.0),
    ("GB", "_bytes", 1073741824.0),
    ("TB", "_bytes", 1099511627776.0),
    ("1kB", "_bytes", 1024.0),
    ("2kB", "_bytes", 2048.0),
    ("4kB", "_bytes", 4096.0),
    ("8kB", "_bytes", 8192.0),
    ("16kB", "_bytes", 16384.0),
    ("32kB", "_bytes", 32768.0),
    ("64kB", "_bytes", 65536.0),
    ("16MB", "_bytes", 16777216.0),
    ("32MB", "_bytes", 33554432.0),
    ("64MB", "_bytes", 67108864.0),
];

/// A number in base units and the suffix of its family's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// Value in base units.
    pub value: f64,
    /// `_seconds`, `_bytes` or nothing.
    pub suffix: &'static str,
}

/// Converts a number; the error says what is not understood.
pub fn normalise(setting: &str, unit: &str) -> Result<Normal, String> {
    let known = UNITS.iter().find(|u| u.0 == unit);
    let (_, suffix, factor) = known.ok_or_else(|| format!("unknown unit {unit:?}"))?;
    let value = number(setting).ok_or_else(|| format!("expected a number, got {setting:?}"))?;
    // Division is exact where multiplication by a thousandth is not.
    let value = match unit {
        _ if value == -1.0 => value,
        "ms" => value / 1000.0,
        _ => value * factor,
    };
    Ok(Normal { value, suffix })
}

/// Some vendors write the unit behind the number, too.
fn number(setting: &str) -> Option<f64> {
    if let Ok(value) = setting.parse() {
        return Some(value);
    }
    let is_unit = |c: char| c.is_ascii_alphabetic();
    let bare = setting.trim_end_matches(is_unit);
    let unit = &setting[bare.len()..];
    UNITS.iter().find(|u| u.0 == unit && !unit.is_empty())?;
    bare.trim_end().parse().ok()
}

struct Value<'a> {
    name: &'a str,
    normal: Normal,
}

fn parse(rows: &Rows) -> Result<Vec<Value<'_>>, Error> {
    let mut values = Vec::new();
    for row in rows.iter() {
        let Some(name) = row.text(0) else { continue };
        let setting = row.text(1);
        let setting =
            setting.ok_or_else(|| Error::failed(format!("setting {name} has no value")))?;
        let normal = match row.text_or(3, "") {
            "bool" => Ok(Normal {
                value: f64::from(u8::from(setting == "on")),
                suffix: "",
            }),
            _ => normalise(setting, row.text_or(2, "")),
        };
        match normal {
            Ok(normal) => values.push(Value { name, normal }),
            Err(why) => tracing::warn!(name, why, "setting left out"),
        }
    }
    Ok(values)
}

fn put(rows: &Rows, out: &mut Arena) -> Result<(), Error> {
    let mut seen = std::collections::HashSet::new();
    let (mut name, mut help) = (String::new(), String::new());
    for value in parse(rows)? {
        name.clear();
        name.push_str("pg_settings_");
        name.extend(value.name.chars().map(|c| match c {
            '.' | '-' => '_',
            c => c,
        }));
        name.push_str(value.normal.suffix);
        // Two settings may become one name; the first keeps it.
        if !seen.insert(name.clone()) {
            tracing::warn!(name, "setting left out, another has this name");
            continue;
        }
        help.clear();
        // Writing to a String cannot fail. The server's own descriptions would make the answer half
        // as large again.
        let _ = write!(help, "Setting {} of the server.", value.name);
        let family = Dynamic {
            name: &name,
            help: &help,
            kind: Kind::Gauge,
        };
        out.put_dynamic(family, &[], value.normal.value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NEWEST, collector, samples};
    use proptest::prelude::*;

    #[test]
    fn units() {
        for (setting, unit, value, suffix) in [
            ("5", "", 5.0, ""),
            ("1500", "ms", 1.5, "_seconds"),
            ("3", "ms", 0.003, "_seconds"),
            ("2", "s", 2.0, "_seconds"),
            ("2", "min", 120.0, "_seconds"),
            ("2", "h", 7200.0, "_seconds"),
            ("2", "d", 172800.0, "_seconds"),
            ("2", "B", 2.0, "_bytes"),
            ("2", "kB", 2048.0, "_bytes"),
            ("2", "MB", 2097152.0, "_bytes"),
            ("2", "GB", 2147483648.0, "_bytes"),
            ("2", "TB", 2199023255552.0, "_bytes"),
            ("2", "1kB", 2048.0, "_bytes"),
            ("2", "2kB", 4096.0, "_bytes"),
            ("2", "4kB", 8192.0, "_bytes"),
            ("16384", "8kB", 134217728.0, "_bytes"),
            ("2", "16kB", 32768.0, "_bytes"),
            ("2", "32kB", 65536.0, "_bytes"),
            ("2", "64kB", 131072.0, "_bytes"),
            ("2", "16MB", 33554432.0, "_bytes"),
            ("2", "32MB", 67108864.0, "_bytes"),
            ("2", "64MB", 134217728.0, "_bytes"),
            ("-1", "8kB", -1.0, "_bytes"),
            ("-1", "ms", -1.0, "_seconds"),
            ("0.5", "ms", 0.0005, "_seconds"),
            ("1e+06", "", 1e6, ""),
            ("60kB", "kB", 61440.0, "_bytes"),
            ("60 s", "s", 60.0, "_seconds"),
        ] {
            let expected = Normal { value, suffix };
            assert_eq!(normalise(setting, unit), Ok(expected), "{setting} {unit}");
        }
        assert!(normalise("1", "parsec").unwrap_err().contains("parsec"));
        assert!(normalise("lots", "").unwrap_err().contains("lots"));
        assert!(normalise("5furlongs", "").is_err());
    }

    #[test]
    fn names() {
        let answer: &[&[&str]] = &[
            &["name", "setting", "unit", "vartype"],
            &["a.b-c", "3", "s", "integer"],
            &["yes", "on", "NULL", "bool"],
            &["no", "true", "NULL", "bool"],
            &["odd", "x", "NULL", "integer"],
            &["a-b.c", "4", "s", "integer"],
            &["log_file_mode", "0600", "NULL", "integer"],
        ];
        assert_eq!(
            samples(&collector("settings", &[]), NEWEST, &[answer]),
            "pg_settings_a_b_c_seconds 3\npg_settings_log_file_mode 600\n\
             pg_settings_no 0\npg_settings_yes 1\n"
        );
    }

    #[test]
    fn a_setting_without_value_fails() {
        let rows = Rows::written(&[&["n", "s", "u", "v"], &["a", "NULL", "", "bool"]]);
        let error = put(&rows, &mut Arena::new()).unwrap_err();
        assert_eq!(error.to_string(), "setting a has no value");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(setting: String, unit: String) {
            let _ = normalise(&setting, &unit);
            let _ = normalise(&setting, "kB");
        }
    }
}
