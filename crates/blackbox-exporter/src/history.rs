//! The reports of the latest probes, and of failures for longer.

use crate::config::Module;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// What is left of a probe. Its text is made when somebody asks for it.
#[derive(Clone, Debug)]
pub struct Report {
    /// Number since the start of the process.
    pub id: i64,
    /// The module as it was used.
    pub module: Arc<Module>,
    /// The target as it was asked for.
    pub target: String,
    /// The target without its password.
    pub shown: String,
    /// The verdict.
    pub success: bool,
    /// Log lines.
    pub log: String,
    /// The samples in text format.
    pub metrics: Bytes,
}

impl Report {
    /// Log, samples and module; scripts cut the text at the headings.
    pub fn text(&self) -> String {
        let mut text = String::from("Logs for the probe:\n");
        text.push_str(&self.log);
        text.push_str("\n\n\nMetrics that would have been returned:\n");
        text.push_str(&String::from_utf8_lossy(&self.metrics));
        text.push_str("\n\n\nModule configuration:\n");
        text.push_str(&self.module.tree().print(2));
        text
    }
}

/// The latest reports, and failures that are older.
#[derive(Debug)]
pub struct History {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    next: i64,
    latest: VecDeque<Arc<Report>>,
    failures: VecDeque<Arc<Report>>,
}

impl History {
    /// Keeps so many reports, and as many failures that are older than those.
    pub fn new(limit: usize) -> Self {
        History {
            limit,
            kept: Mutex::default(),
        }
    }

    /// Whether anything is kept.
    pub fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// Adds a report and gives it its number.
    pub fn add(&self, mut report: Report) {
        let mut kept = self.lock();
        report.id = kept.next;
        kept.next += 1;
        kept.latest.push_back(Arc::new(report));
        while kept.latest.len() > self.limit {
            let Some(oldest) = kept.latest.pop_front() else {
                break;
            };
            if !oldest.success {
                kept.failures.push_back(oldest);
            }
        }
        while kept.failures.len() > self.limit {
            kept.failures.pop_front();
        }
    }

    /// All reports, the newest first: the latest, then failures.
    pub fn list(&self) -> Vec<Arc<Report>> {
        let kept = self.lock();
        let latest = kept.latest.iter().rev();
        latest.chain(kept.failures.iter().rev()).cloned().collect()
    }

    /// The report of this number.
    pub fn by_id(&self, id: i64) -> Option<Arc<Report>> {
        self.find(|report| report.id == id)
    }

    /// The oldest report of a target, perhaps of one module only.
    pub fn by_target(&self, target: &str, module: Option<&str>) -> Option<Arc<Report>> {
        let fits = |report: &Report| module.is_none_or(|m| m == report.module.name);
        self.find(|report| report.target == target && fits(report))
    }

    fn find(&self, wanted: impl Fn(&Report) -> bool) -> Option<Arc<Report>> {
        let kept = self.lock();
        let mut all = kept.failures.iter().chain(&kept.latest);
        all.find(|report| wanted(report)).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(history: &History, target: &str, success: bool) {
        history.add(Report {
            id: 0,
            module: Arc::new(Module {
                name: "m".to_owned(),
                prober: "tcp".to_owned(),
                ..Module::default()
            }),
            target: target.to_owned(),
            shown: target.to_owned(),
            success,
            log: "line\n".to_owned(),
            metrics: Bytes::from_static(b"probe_success 1\n"),
        });
    }

    #[test]
    fn failures_stay_longer() {
        let history = History::new(2);
        for (target, success) in [
            ("a", false),
            ("b", true),
            ("c", true),
            ("a", true),
            ("d", true),
        ] {
            add(&history, target, success);
        }
        let ids: Vec<i64> = history.list().iter().map(|r| r.id).collect();
        assert_eq!(ids, [4, 3, 0]);
        assert_eq!(history.by_target("a", None).unwrap().id, 0);
        assert_eq!(history.by_target("a", Some("m")).unwrap().id, 0);
        assert!(history.by_target("a", Some("n")).is_none());
        assert!(history.by_id(1).is_none() && history.by_id(4).is_some());
        let none = History::new(0);
        add(&none, "a", false);
        assert!(none.list().is_empty() && none.is_off());
    }

    #[test]
    fn reports_have_three_parts() {
        let history = History::new(1);
        add(&history, "a", true);
        let text = history.by_id(0).unwrap().text();
        assert!(text.starts_with(
            "Logs for the probe:\nline\n\n\n\nMetrics that would have been returned:\n\
             probe_success 1\n\n\n\nModule configuration:\nprober: tcp\n"
        ));
    }
}
