//! Filters on device names.

use exporter_core::dialect::regexp;
use regex::Regex;
use std::collections::HashMap;

/// Names whose verdict is remembered; the rest is matched at every scrape.
const REMEMBERED: usize = 4096;

/// An exclude and an include pattern, each only if not empty: a name is dropped if the first is
/// found in it or the second is not.
pub struct Filter {
    exclude: Option<Regex>,
    include: Option<Regex>,
    verdicts: HashMap<Box<str>, bool>,
}

impl Filter {
    /// Compiles the patterns given by two flags, told as (flag name, pattern). The error names the
    /// flag.
    pub fn new(exclude: (&str, &str), include: (&str, &str)) -> Result<Self, String> {
        Ok(Filter {
            exclude: optional(exclude)?,
            include: optional(include)?,
            verdicts: HashMap::new(),
        })
    }

    /// Whether the name passes.
    pub fn keeps(&mut self, name: &str) -> bool {
        if self.exclude.is_none() && self.include.is_none() {
            return true;
        }
        if let Some(verdict) = self.verdicts.get(name) {
            return *verdict;
        }
        let excluded = self.exclude.as_ref().is_some_and(|r| r.is_match(name));
        let included = self.include.as_ref().is_none_or(|r| r.is_match(name));
        let verdict = !excluded && included;
        if self.verdicts.len() < REMEMBERED {
            self.verdicts.insert(name.into(), verdict);
        }
        verdict
    }
}

fn optional((flag, pattern): (&str, &str)) -> Result<Option<Regex>, String> {
    (!pattern.is_empty())
        .then(|| compile(flag, pattern))
        .transpose()
}

/// Compiles the RE2 pattern of a flag; matching is a search.
pub fn compile(flag: &str, pattern: &str) -> Result<Regex, String> {
    regexp::compile(pattern).map_err(|e| format!("--{flag}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_patterns_count() {
        let mut filter = Filter::new(("x", "^lo$"), ("i", "o")).unwrap();
        assert!(!filter.keeps("lo"));
        assert!(filter.keeps("wlo1"));
        assert!(filter.keeps("wlo1"));
        assert!(!filter.keeps("eth"));
        assert!(Filter::new(("x", ""), ("i", "")).unwrap().keeps("lo"));
    }

    #[test]
    fn a_bad_pattern_names_its_flag() {
        let error = Filter::new(("collector.x.exclude", "("), ("i", ""))
            .err()
            .unwrap();
        assert!(error.contains("--collector.x.exclude"), "{error}");
    }
}
