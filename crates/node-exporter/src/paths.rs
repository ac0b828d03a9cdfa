//! Paths of named sets of collectors: `/metrics/NAME` answers as `/metrics?collect[]=…` would, so
//! that Prometheus can scrape some collectors more often than others.

use exporter_core::collector::Set;
use exporter_core::web::{Answer, Handler, MetricsHandler, Request, text};
use http::{StatusCode, Uri};

/// A named set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSet {
    name: String,
    collectors: Vec<String>,
}

impl NamedSet {
    /// Where it is served.
    pub fn path(&self, telemetry_path: &str) -> String {
        format!("{}/{}", telemetry_path.trim_end_matches('/'), self.name)
    }

    /// Serves it from the handler of all collectors.
    pub fn handler(&self, whole: &MetricsHandler) -> impl Handler {
        let names = self.collectors.iter();
        let query: Vec<String> = names.map(|name| format!("collect[]={name}")).collect();
        Selection {
            whole: whole.clone(),
            query: query.join("&"),
        }
    }
}

/// Reads `NAME=COLLECTOR,COLLECTOR`, once for each set.
///
/// # Errors
/// What is wrong with a set: its form, a name given twice, a collector that does not run.
pub fn read(given: &[String], enabled: &Set) -> Result<Vec<NamedSet>, String> {
    let mut sets: Vec<NamedSet> = Vec::new();
    for given in given {
        let set = parse(given)
            .and_then(|set| match enabled.select(&set.collectors, &[]) {
                Ok(_) => Ok(set),
                Err(why) => Err(why.to_string()),
            })
            .map_err(|why| format!("--collector.set={given}: {why}"))?;
        if sets.iter().any(|other| other.name == set.name) {
            return Err(format!("--collector.set: {} is given twice", set.name));
        }
        sets.push(set);
    }
    Ok(sets)
}

fn parse(given: &str) -> Result<NamedSet, String> {
    let is_word = |word: &str, others: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        !word.is_empty() && word.chars().all(fits)
    };
    let (name, collectors) = given.split_once('=').unwrap_or((given, ""));
    let collectors: Vec<String> = collectors.split(',').map(str::to_owned).collect();
    if !is_word(name, "_-") || !collectors.iter().all(|c| is_word(c, "_")) {
        return Err(
            "expected NAME=COLLECTOR,COLLECTOR, the name of letters, digits, _ and -".into(),
        );
    }
    Ok(NamedSet {
        name: name.to_owned(),
        collectors,
    })
}

/// Answers as if the query had named collectors.
struct Selection {
    whole: MetricsHandler,
    query: String,
}

impl Handler for Selection {
    fn handle(&self, mut request: Request) -> Answer<'_> {
        let uri = request.uri();
        let rest = uri.query().map_or(String::new(), |rest| format!("&{rest}"));
        match Uri::try_from(format!("{}?{}{rest}", uri.path(), self.query)) {
            Ok(uri) => {
                *request.uri_mut() = uri;
                self.whole.handle(request)
            }
            Err(_) => Box::pin(async { text(StatusCode::URI_TOO_LONG, "the query is too long") }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_and_their_paths() {
        let set = parse("fast-1=cpu,meminfo_numa").unwrap();
        assert_eq!(set.collectors, ["cpu", "meminfo_numa"]);
        assert_eq!(set.path("/metrics"), "/metrics/fast-1");
        assert_eq!(set.path("/"), "/fast-1");
        for bad in ["", "fast", "fast=", "fast=cpu,", "=cpu", "a/b=cpu", "a=c&d"] {
            let error = parse(bad).unwrap_err();
            assert!(error.starts_with("expected NAME="), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }
}
