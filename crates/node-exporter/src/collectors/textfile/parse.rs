//! The text format as users' files are read: strict, so that half a file is never taken for a
//! whole one.

use std::collections::HashSet;

/// Type of a family, as its TYPE line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Also without a TYPE line.
    Untyped,
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A summary.
    Summary,
    /// A histogram.
    Histogram,
    /// A histogram that goes up and down.
    GaugeHistogram,
}

/// One family of a file.
#[derive(Clone, Debug)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Its help, where there is any.
    pub help: Option<String>,
    /// Its type.
    pub kind: Type,
    /// Label pairs in order of their names, and the value.
    pub series: Vec<(Labels, Value)>,
    typed: bool,
}

/// Label pairs in order of their names.
pub type Labels = Vec<(String, String)>;

/// Value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Sum, count, and quantiles or cumulative buckets.
    Distribution {
        /// Sum.
        sum: f64,
        /// Count.
        count: f64,
        /// (quantile or upper bound, value or count).
        points: Vec<(f64, f64)>,
    },
}

/// Parses a whole file. The error names the line.
pub fn parse(text: &[u8]) -> Result<Vec<Family>, String> {
    let mut parser = Parser::default();
    let mut rest = text;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let at = |why: String| format!("line {number}: {why}");
        if skip_blanks(rest).is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', rest)
            .ok_or_else(|| at("the last line does not end in a newline".to_owned()))?;
        parser.line(&rest[..end]).map_err(at)?;
        rest = &rest[end + 1..];
    }
    Ok(parser.finish())
}

#[derive(Default)]
struct Parser {
    families: Vec<Family>,
}

fn blank(b: &u8) -> bool {
    matches!(b, b' ' | b'\t')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| blank(b)).count()..]
}

fn name_length(text: &[u8], colon: bool) -> usize {
    let legal = |(at, b): &(usize, &u8)| {
        b.is_ascii_alphabetic()
            || **b == b'_'
            || (colon && **b == b':')
            || (*at > 0 && b.is_ascii_digit())
    };
    text.iter().enumerate().take_while(legal).count()
}

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "the text is no UTF-8".to_owned())
}

impl Parser {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let line = skip_blanks(line);
        match line.first() {
            None => Ok(()),
            Some(b'#') => self.comment(&line[1..]),
            Some(_) => self.sample(line),
        }
    }

    fn comment(&mut self, text: &[u8]) -> Result<(), String> {
        let text = skip_blanks(text);
        let end = text.iter().position(blank).unwrap_or(text.len());
        let (keyword, rest) = text.split_at(end);
        if keyword != b"HELP" && keyword != b"TYPE" {
            return Ok(());
        }
        let rest = skip_blanks(rest);
        let (name, rest) = match rest.first() {
            None => return Ok(()),
            Some(b'"') => {
                let (name, rest) = quoted(&rest[1..])?;
                (name, rest)
            }
            Some(_) => {
                let length = name_length(rest, true);
                (utf8(&rest[..length])?.to_owned(), &rest[length..])
            }
        };
        let legal = !name.is_empty() && name_length(name.as_bytes(), true) == name.len();
        if !legal || rest.first().is_some_and(|b| !blank(b)) {
            return Err("expected the name of a metric".to_owned());
        }
        let rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(());
        }
        let family = self.exact(&name);
        if keyword == b"HELP" {
            if family.help.is_some() {
                return Err(format!("{name} has a second HELP"));
            }
            family.help = Some(unescape_help(rest)?);
            return Ok(());
        }
        if family.typed || !family.series.is_empty() {
            return Err(format!(
                "{name} has a second TYPE, or one behind its samples"
            ));
        }
        family.kind = type_of(rest).ok_or_else(|| {
            format!(
                "{name} has an unknown type {:?}",
                String::from_utf8_lossy(rest)
            )
        })?;
        family.typed = true;
        Ok(())
    }

    fn sample(&mut self, line: &[u8]) -> Result<(), String> {
        let (mut name, behind) = match line.first() {
            Some(b'"') => quoted(&line[1..])?,
            _ => {
                let length = name_length(line, true);
                (utf8(&line[..length])?.to_owned(), &line[length..])
            }
        };
        if name_length(name.as_bytes(), true) != name.len() {
            return Err(format!("{name:?} is no name of a metric"));
        }
        let mut rest = skip_blanks(behind);
        let blank_before = rest.len() < behind.len();
        let mut labels = Vec::new();
        // Quotes and braces end by themselves, a bare name needs a blank.
        let mut closed = line.first() == Some(&b'"');
        if rest.first() == Some(&b'{') {
            rest = read_labels(&rest[1..], &mut name, &mut labels)?;
            closed = true;
        }
        if name.is_empty() {
            return Err("expected the name of a metric".to_owned());
        }
        let value_text = skip_blanks(rest);
        if !closed && !blank_before {
            return Err(format!("expected a blank or braces behind {name}"));
        }
        let end = value_text
            .iter()
            .position(blank)
            .unwrap_or(value_text.len());
        let value = float(&value_text[..end])
            .ok_or_else(|| format!("{name} has no value, or one that is no number"))?;
        if end < value_text.len() {
            return Err(format!(
                "{name} has something behind its value; time stamps are not supported"
            ));
        }
        if let Some((label, _)) = labels.iter().find(|l| l.0.starts_with("__")) {
            return Err(format!("the label {label} is kept for internal use"));
        }
        labels.sort();
        let unique: HashSet<&str> = labels.iter().map(|l| l.0.as_str()).collect();
        if unique.len() < labels.len() {
            return Err(format!("{name} has a label twice"));
        }
        self.take(name, labels, value)
    }

    /// The family of exactly this name, made where it is missing.
    fn exact(&mut self, name: &str) -> &mut Family {
        let at = self.families.iter().position(|f| f.name == name);
        let at = at.unwrap_or_else(|| {
            self.families.push(Family {
                name: name.to_owned(),
                help: None,
                kind: Type::Untyped,
                series: Vec::new(),
                typed: false,
            });
            self.families.len() - 1
        });
        &mut self.families[at]
    }

    fn take(&mut self, name: String, mut labels: Labels, value: f64) -> Result<(), String> {
        let (owner, part) = self.owner(&name);
        let family = self.exact(&owner);
        let bound_label = match family.kind {
            Type::Summary => "quantile",
            Type::Histogram => "le",
            Type::GaugeHistogram => {
                return Err(format!(
                    "{owner} is a gauge histogram, which is not supported"
                ));
            }
            _ => {
                family.series.push((labels, Value::Number(value)));
                return Ok(());
            }
        };
        let bound = labels
            .iter()
            .position(|l| l.0 == bound_label)
            .map(|at| labels.remove(at).1);
        let bound = match bound {
            Some(text) => Some(
                float(text.as_bytes())
                    .ok_or_else(|| format!("{name} has a label {bound_label} that is no number"))?,
            ),
            None => None,
        };
        let at = family.series.iter().position(|s| s.0 == labels);
        let at = at.unwrap_or_else(|| {
            let empty = Value::Distribution {
                sum: 0.0,
                count: 0.0,
                points: Vec::new(),
            };
            family.series.push((labels, empty));
            family.series.len() - 1
        });
        let is_summary = family.kind == Type::Summary;
        let Value::Distribution { sum, count, points } = &mut family.series[at].1 else {
            return Ok(());
        };
        match (part, bound) {
            ("_sum", _) => *sum = value,
            ("_count", _) if value < 0.0 => return Err(format!("{name} is negative")),
            ("_count", _) => *count = if is_summary { value.trunc() } else { value },
            ("_bucket", Some(_)) if value < 0.0 => return Err(format!("{name} is negative")),
            ("_bucket", Some(bound)) if bound.is_nan() => {}
            ("_bucket", Some(bound)) => set(points, bound, value),
            ("", Some(quantile)) if is_summary && !quantile.is_nan() => {
                set(points, quantile, value)
            }
            _ => {}
        }
        Ok(())
    }

    /// The family that a sample belongs to, and which part of it the sample is.
    fn owner(&self, name: &str) -> (String, &'static str) {
        if self.families.iter().any(|f| f.name == name) {
            return (name.to_owned(), "");
        }
        for part in ["_count", "_sum", "_bucket"] {
            let Some(base) = name.strip_suffix(part) else {
                continue;
            };
            let kind = self
                .families
                .iter()
                .find(|f| f.name == base)
                .map(|f| f.kind);
            let histogram = matches!(kind, Some(Type::Histogram | Type::GaugeHistogram));
            if histogram || (kind == Some(Type::Summary) && part != "_bucket") {
                return (base.to_owned(), part);
            }
        }
        (name.to_owned(), "")
    }

    /// Fills label sets of a family up to their union, and orders what distributions hold.
    fn finish(mut self) -> Vec<Family> {
        self.families.retain(|f| !f.series.is_empty());
        for family in &mut self.families {
            let mut names: Vec<String> = Vec::new();
            for (labels, _) in &family.series {
                for (name, _) in labels {
                    if !names.contains(name) {
                        names.push(name.clone());
                    }
                }
            }
            for (labels, value) in &mut family.series {
                for name in &names {
                    if !labels.iter().any(|l| l.0 == *name) {
                        labels.push((name.clone(), String::new()));
                    }
                }
                labels.sort();
                if let Value::Distribution { count, points, .. } = value {
                    points.sort_by(|a, b| a.0.total_cmp(&b.0));
                    let counts = points.iter().map(|p| p.1).chain([*count]);
                    let whole = |c: f64| c.fract() == 0.0 && c < 2f64.powi(64);
                    if family.kind == Type::Histogram && !counts.clone().all(whole) {
                        *count = 0.0;
                        points.iter_mut().for_each(|p| p.1 = 0.0);
                    }
                }
            }
        }
        self.families
    }
}

/// The last value of a quantile or bucket counts.
fn set(points: &mut Vec<(f64, f64)>, bound: f64, value: f64) {
    match points.iter_mut().find(|p| p.0 == bound) {
        Some(point) => point.1 = value,
        None => points.push((bound, value)),
    }
}

fn type_of(text: &[u8]) -> Option<Type> {
    // Backslashes mean nothing here and are passed over.
    let mut text = text.to_ascii_lowercase();
    text.retain(|b| *b != b'\\');
    Some(match text.as_slice() {
        b"counter" => Type::Counter,
        b"gauge" => Type::Gauge,
        b"summary" => Type::Summary,
        b"untyped" => Type::Untyped,
        b"histogram" => Type::Histogram,
        b"gauge_histogram" | b"gaugehistogram" => Type::GaugeHistogram,
        _ => return None,
    })
}

fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let foreign = text.contains(['x', 'X', 'p', 'P', '_']);
    if foreign {
        None
    } else {
        exporter_core::dialect::strconv::parse_float(text)
    }
}

fn unescape_help(text: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(text);
    let mut help = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        help.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(e @ ('\\' | '"')) => e,
                _ => return Err("the HELP text has an unknown escape".to_owned()),
            },
            c => c,
        });
    }
    Ok(help)
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &[u8]) -> Result<(String, &[u8]), String> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Ok((utf8(&value)?.to_owned(), &text[at + 1..])),
            b'\\' => value.push(match bytes.next() {
                Some((_, b'n')) => b'\n',
                Some((_, e @ (b'\\' | b'"'))) => *e,
                _ => return Err("a quoted text has an unknown escape".to_owned()),
            }),
            byte => value.push(*byte),
        }
    }
    Err("a quoted text is not closed".to_owned())
}

/// Reads what stands behind an opening brace; gives what follows the closing one.
fn read_labels<'a>(
    mut text: &'a [u8],
    name: &mut String,
    labels: &mut Labels,
) -> Result<&'a [u8], String> {
    loop {
        text = skip_blanks(text);
        let (label, rest) = match text.first() {
            Some(b'}') => return Ok(&text[1..]),
            Some(b'"') => quoted(&text[1..])?,
            _ => {
                let length = name_length(text, false);
                (utf8(&text[..length])?.to_owned(), &text[length..])
            }
        };
        let was_quoted = text.first() == Some(&b'"');
        let rest = skip_blanks(rest);
        text = match rest.first() {
            Some(b'=') => {
                let legal =
                    !label.is_empty() && name_length(label.as_bytes(), false) == label.len();
                if !legal || label == "__name__" {
                    return Err(format!("{label:?} is no name of a label"));
                }
                let rest = skip_blanks(&rest[1..]);
                if rest.first() != Some(&b'"') {
                    return Err(format!("expected a quoted value of the label {label}"));
                }
                let (value, rest) = quoted(&rest[1..])?;
                labels.push((label, value));
                rest
            }
            // The form {"name", label="value"}.
            _ if was_quoted && name.is_empty() => {
                if label.is_empty() || name_length(label.as_bytes(), true) != label.len() {
                    return Err(format!("{label:?} is no name of a metric"));
                }
                *name = label;
                rest
            }
            _ => return Err("expected a label and its value".to_owned()),
        };
        text = skip_blanks(text);
        match text.first() {
            Some(b',') => text = &text[1..],
            Some(b'}') => {}
            _ => return Err("expected a comma or a closing brace".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn families_and_series() {
        let text = b"# HELP a Some\\nhelp\n# TYPE a counter\na{x=\"1\", y = \"\\\"\" ,} 1\na 2e3\n\
                     # TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_bucket{le=\"1\"} 1\nh_sum 3\nh_count 2\n\
                     # TYPE s summary\ns{quantile=\"0.5\"} 4\ns_count 1.5\n{\"q\",z=\"1\"}-Inf\n# EOF\n";
        let families = parse(text).unwrap();
        let names: Vec<_> = families.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["a", "h", "s", "q"]);
        assert_eq!(families[0].help.as_deref(), Some("Some\nhelp"));
        let filled: Labels = vec![("x".into(), String::new()), ("y".into(), String::new())];
        assert_eq!(families[0].series[1], (filled, Value::Number(2000.0)));
        let buckets = vec![(1.0, 1.0), (f64::INFINITY, 2.0)];
        assert_eq!(
            families[1].series[0].1,
            Value::Distribution {
                sum: 3.0,
                count: 2.0,
                points: buckets
            }
        );
        let quantiles = vec![(0.5, 4.0)];
        assert_eq!(
            families[2].series[0].1,
            Value::Distribution {
                sum: 0.0,
                count: 1.0,
                points: quantiles
            }
        );
        assert_eq!(families[3].series[0].1, Value::Number(f64::NEG_INFINITY));
    }

    #[test]
    fn what_fails_a_file() {
        for text in [
            "a 1",
            "a 1\r\n",
            "a 1 \n",
            "a 1 123\n",
            "a x\n",
            "a 0x10\n",
            "a 1e400\n",
            "a{b=\"c\n",
            "a{b=c} 1\n",
            "a{b=\"c\",b=\"d\"} 1\n",
            "a{b=\"\\x\"} 1\n",
            "a{__name__=\"b\"} 1\n",
            "a{__x=\"b\"} 1\n",
            "\"a.b\" 1\n",
            "# TYPE a gauge_histogram\na_bucket{le=\"1\"} 1\n",
            "a 1\n{b=\"c\"} 1\n",
            "{b=\"c\"} 1\n",
            "1a 1\n",
            "# TYPE a nonsense\n",
            "# TYPE a gauge\n# TYPE a gauge\n",
            "a 1\n# TYPE a gauge\n",
            "# HELP a x\n# HELP a y\n",
            "# HELP a \\q\n",
            "a{b:c=\"d\"} 1\n",
            "\u{feff}a 1\n",
            "a{} \n",
            "a\n",
            "# TYPE h histogram\nh_bucket{le=\"x\"} 1\n",
        ] {
            let error = parse(text.as_bytes()).map(drop).unwrap_err();
            assert!(error.starts_with("line "), "{text:?}: {error}");
        }
        assert!(parse(b"a{b=\"\xff\"} 1\n").is_err());
        for text in [
            "",
            "\n",
            "# comment\n",
            "# HELP a\n# TYPE a\n",
            "a{}1\n",
            "a{ } 1\n",
            " a 1\n",
            "\"a\" 1\n \t",
            "# TYPE a gaugehistogram\n",
            "# TYPE a g\\auge\n",
        ] {
            assert!(parse(text.as_bytes()).is_ok(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_lines_make_it_panic(text in "([a-c_]{0,3}|[{}\"=, 1#\\\\\n]|HELP|TYPE|summary|le){0,40}") {
            let _ = parse(text.as_bytes());
        }
    }
}
