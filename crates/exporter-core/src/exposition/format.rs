//! Which format a request gets.

use super::names::Escaping;
use super::{Arena, openmetrics, protobuf, text};
use crate::dialect::strconv;

/// A format and how names are written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The syntax.
    pub syntax: Syntax,
    /// The names.
    pub escaping: Escaping,
}

/// The syntax of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics1,
    /// OpenMetrics 0.0.1.
    OpenMetrics0,
    /// Length-delimited protobuf.
    Delimited,
    /// Protobuf text form.
    ProtoText,
    /// Protobuf text form, one family a line.
    ProtoCompact,
}

/// What an exporter offers beside text and protobuf.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offers {
    /// OpenMetrics. It renames counters that lack `_total`, and Prometheus prefers it, so it is
    /// offered only where the original offers it or the user asked for it.
    pub open_metrics: bool,
}

impl Format {
    /// The `Content-Type` header.
    pub fn content_type(self) -> String {
        let escaping = self.escaping.word();
        let proto = |encoding| {
            format!(
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding={encoding}; escaping={escaping}"
            )
        };
        let open_metrics = |version| {
            format!(
                "application/openmetrics-text; version={version}; charset=utf-8; \
                 escaping={escaping}"
            )
        };
        match self.syntax {
            Syntax::Text => {
                format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}")
            }
            Syntax::OpenMetrics1 => open_metrics("1.0.0"),
            Syntax::OpenMetrics0 => open_metrics("0.0.1"),
            Syntax::Delimited => proto("delimited"),
            Syntax::ProtoText => proto("text"),
            Syntax::ProtoCompact => proto("compact-text"),
        }
    }

    /// Appends the exposition of a sealed arena.
    pub fn encode(self, arena: &Arena, out: &mut Vec<u8>) {
        match self.syntax {
            Syntax::Text => text::encode(arena, self.escaping, out),
            Syntax::OpenMetrics1 | Syntax::OpenMetrics0 => {
                openmetrics::encode(arena, self.escaping, out);
            }
            Syntax::Delimited => protobuf::encode_delimited(arena, self.escaping, out),
            Syntax::ProtoText => protobuf::encode_text(arena, self.escaping, false, out),
            Syntax::ProtoCompact => protobuf::encode_text(arena, self.escaping, true, out),
        }
    }
}

/// One clause of an `Accept` header.
struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    /// `None` for what is no media type. Of parameters only `name=value` counts; quotes are part of
    /// a value.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let media_type = parts.next().unwrap_or("").trim();
        let slashes = media_type.matches('/').count();
        if slashes != 1 && media_type != "*" {
            return None;
        }
        let mut clause = Clause {
            media_type,
            parameters: Vec::new(),
            quality: 1.0,
        };
        for part in parts {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            if value.is_empty() || value.contains('=') {
                continue;
            }
            match name.trim() {
                "q" => clause.quality = strconv::parse_float(value).unwrap_or(0.0) as f32,
                name => clause.parameters.push((name, value.trim())),
            }
        }
        Some(clause)
    }

    /// Whether type and subtype are named.
    fn names(&self) -> (bool, bool) {
        let (kind, sub) = self.media_type.split_once('/').unwrap_or(("*", "*"));
        (kind.trim() != "*", sub.trim() != "*")
    }

    /// What the Go library sorts by. It is no order: a named type of lower quality goes before a
    /// wildcard too.
    fn goes_before(&self, other: &Self) -> bool {
        let ((kind, sub), (other_kind, other_sub)) = (self.names(), other.names());
        self.quality > other.quality || (kind && !other_kind) || (sub && !other_sub)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        // The last of several.
        let found = self.parameters.iter().rfind(|p| p.0 == name);
        found.map(|p| p.1)
    }

    fn syntax(&self, offers: Offers) -> Option<Syntax> {
        match self.media_type {
            "application/vnd.google.protobuf"
                if self.parameter("proto") == Some("io.prometheus.client.MetricFamily") =>
            {
                match self.parameter("encoding") {
                    Some("delimited") => Some(Syntax::Delimited),
                    Some("text") => Some(Syntax::ProtoText),
                    Some("compact-text") => Some(Syntax::ProtoCompact),
                    _ => None,
                }
            }
            "text/plain" => match self.parameter("version") {
                None | Some("" | "0.0.4") => Some(Syntax::Text),
                Some(_) => None,
            },
            "application/openmetrics-text" if offers.open_metrics => {
                match self.parameter("version") {
                    Some("1.0.0") => Some(Syntax::OpenMetrics1),
                    None | Some("" | "0.0.1") => Some(Syntax::OpenMetrics0),
                    Some(_) => None,
                }
            }
            _ => None,
        }
    }
}

/// Clauses beyond these keep their place, so that a long header costs no more than its length.
const MOST_CLAUSES: usize = 64;

/// Chooses by the first `Accept` header line as the Go library does: clauses by falling quality;
/// an `escaping` parameter stays in force for the clauses after its own; wildcards give text.
pub fn negotiate(accept: Option<&str>, offers: Offers) -> Format {
    let clauses = accept.unwrap_or("").split(',').filter_map(Clause::parse);
    let mut clauses: Vec<Clause<'_>> = clauses.collect();
    // By insertion, as Go sorts so few: with what is no order, the way of sorting shows.
    for end in 1..clauses.len().min(MOST_CLAUSES) {
        let mut at = end;
        while at > 0 && clauses[at].goes_before(&clauses[at - 1]) {
            clauses.swap(at, at - 1);
            at -= 1;
        }
    }
    let mut escaping = Escaping::default();
    for clause in &clauses {
        let named = clause.parameter("escaping").and_then(Escaping::from_word);
        escaping = named.unwrap_or(escaping);
        if let Some(syntax) = clause.syntax(offers) {
            return Format { syntax, escaping };
        }
    }
    Format {
        syntax: Syntax::Text,
        escaping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,\
        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROTO: &str = "application/vnd.google.protobuf;\
        proto=io.prometheus.client.MetricFamily;encoding=delimited";

    #[test]
    fn what_is_asked_and_what_is_given() {
        use Escaping::{AllowUtf8, Dots, Underscores, Values};
        use Syntax::{Delimited, OpenMetrics0, OpenMetrics1, ProtoCompact, ProtoText, Text};
        let compact = PROTO.replace("delimited", "compact-text");
        let text_form = PROTO.replace("delimited", "text");
        let other = PROTO.replace("MetricFamily", "Other");
        for (accept, open_metrics, syntax, escaping) in [
            ("", false, Text, Underscores),
            ("*/*", true, Text, Underscores),
            ("text/html", true, Text, Underscores),
            ("application/json", false, Text, Underscores),
            (DEFAULT, false, Text, AllowUtf8),
            (DEFAULT, true, OpenMetrics1, AllowUtf8),
            (
                "text/plain;version=1.0.0;escaping=values, text/plain;q=0.1",
                false,
                Text,
                Values,
            ),
            ("text/plain;version=1.0.0", false, Text, Underscores),
            (PROTO, false, Delimited, Underscores),
            (&compact, false, ProtoCompact, Underscores),
            (&text_form, false, ProtoText, Underscores),
            (&other, false, Text, Underscores),
            (
                "application/openmetrics-text",
                true,
                OpenMetrics0,
                Underscores,
            ),
            (
                "application/openmetrics-text;version=0.0.1",
                true,
                OpenMetrics0,
                Underscores,
            ),
            (
                "application/openmetrics-text;version=2.0.0",
                true,
                Text,
                Underscores,
            ),
            ("application/openmetrics-text", false, Text, Underscores),
            (
                "text/plain;q=0.1,application/openmetrics-text;q=0.9",
                true,
                OpenMetrics0,
                Underscores,
            ),
            (
                "text/plain;q=x,application/openmetrics-text;q=0.1",
                true,
                OpenMetrics0,
                Underscores,
            ),
            ("text/plain;escaping=nonsense", false, Text, Underscores),
            (
                "nonsense;escaping=values,text/plain",
                false,
                Text,
                Underscores,
            ),
            ("a/b;escaping=values,text/plain", false, Text, Values),
            // Neither quotes nor a second slash nor an empty value make what is meant.
            (
                "a/b;escaping=\"values\",text/plain",
                false,
                Text,
                Underscores,
            ),
            ("a/b/c;escaping=values,text/plain", false, Text, Underscores),
            ("text/plain;version=", false, Text, Underscores),
            // A named type of lower quality goes before a wildcard.
            (
                "*/*;escaping=values,text/plain;q=0.2;escaping=dots",
                false,
                Text,
                Dots,
            ),
            (
                "text/plain;escaping=dots;escaping=values",
                false,
                Text,
                Values,
            ),
        ] {
            let format = negotiate(Some(accept), Offers { open_metrics });
            assert_eq!(format, Format { syntax, escaping }, "{accept}");
        }
        assert_eq!(negotiate(None, Offers::default()).syntax, Text);
    }
}
