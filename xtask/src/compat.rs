//! `cargo xtask compat OURS PEER`: proves a swap on one's own host.

use crate::exposition::{Exposition, parse};
use crate::{http, run};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// Exit status 0: nothing is missing or different; 1: something is; 2: no comparison was possible.
pub fn run(arguments: &[String]) -> ExitCode {
    match compare(arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(arguments: &[String]) -> Result<usize, String> {
    let mut arguments = arguments.to_vec();
    let values = run::take_switch(&mut arguments, "--values");
    let ignored = run::take_options(&mut arguments, "--ignore")?;
    run::no_options(&arguments)?;
    let [ours, peer] = arguments.as_slice() else {
        return Err("compat wants two endpoints: OURS PEER".to_owned());
    };
    // The peer second: what moves has moved on there, as it would between two scrapes.
    let mut ours = parse(&http::fetch(ours)?);
    let mut peer = parse(&http::fetch(peer)?);
    for side in [&mut ours, &mut peer] {
        let keep = |name: &str| !ignored.iter().any(|prefix| name.starts_with(prefix));
        side.types.retain(|name, _| keep(name));
        side.series.retain(|(family, _), _| keep(family));
    }
    let report = report(&ours, &peer, values);
    print!("{}", report.text);
    Ok(report.faults)
}

/// What differs. Extra series and families are told but are no faults.
pub struct Report {
    text: String,
    faults: usize,
}

fn report(ours: &Exposition, peer: &Exposition, values: bool) -> Report {
    let mut report = Report {
        text: String::new(),
        faults: 0,
    };
    for (side, lines) in [("ours", &ours.bad), ("the peer's", &peer.bad)] {
        report.section(&format!("unreadable lines of {side}"), lines, true);
    }
    let names = |e: &Exposition| -> BTreeSet<String> {
        let families = e.series.keys().map(|(family, _)| family.clone());
        e.types.keys().cloned().chain(families).collect()
    };
    let (our_names, peer_names) = (names(ours), names(peer));
    let missing: Vec<_> = peer_names.difference(&our_names).cloned().collect();
    let extra: Vec<_> = our_names.difference(&peer_names).cloned().collect();
    let types: Vec<_> = (peer.types.iter())
        .filter_map(|(name, theirs)| {
            let kind = ours.types.get(name)?;
            (kind != theirs).then(|| format!("{name}: ours {kind}, peer {theirs}"))
        })
        .collect();
    let both = |family: &String| our_names.contains(family) && peer_names.contains(family);
    let only_in = |a: &Exposition, b: &Exposition| -> Vec<String> {
        // What a build says of itself is meant to differ.
        let compared = |family: &String| both(family) && !family.ends_with("_build_info");
        let keys = a.series.keys().filter(|key| compared(&key.0));
        keys.filter(|key| !b.series.contains_key(*key))
            .map(|(_, series)| series.to_string())
            .collect()
    };
    report.section("families that are missing", &missing, true);
    report.section("types that differ", &types, true);
    report.section("series that are missing", &only_in(peer, ours), true);
    report.section("families that only ours has", &extra, false);
    report.section("series that only ours has", &only_in(ours, peer), false);
    report.values(ours, peer, values);
    let tally = format!(
        "{} families and {} series of ours, {} and {} of the peer; {} missing or different\n",
        our_names.len(),
        ours.series.len(),
        peer_names.len(),
        peer.series.len(),
        report.faults,
    );
    report.text.push_str(&tally);
    report
}

impl Report {
    fn section(&mut self, title: &str, lines: &[String], is_fault: bool) {
        if lines.is_empty() {
            return;
        }
        self.faults += if is_fault { lines.len() } else { 0 };
        self.text += &format!("{title} ({}):\n", lines.len());
        for line in lines {
            self.text += &format!("  {line}\n");
        }
    }

    /// Counters and gauges of a living host move between two scrapes, so values count as faults
    /// only where that was asked for, and then within one part in a hundred.
    fn values(&mut self, ours: &Exposition, peer: &Exposition, asked: bool) {
        if !asked {
            return;
        }
        let close = |a: &str, b: &str| {
            a == b
                || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b))
                    if (a - b).abs() <= 0.01 * a.abs().max(b.abs()))
        };
        let lines: Vec<_> = (peer.series.iter())
            .filter_map(|(key, theirs)| {
                let mine = ours.series.get(key)?;
                (!close(mine, theirs)).then(|| format!("{}: ours {mine}, peer {theirs}", key.1))
            })
            .collect();
        self.section("values that differ", &lines, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted() {
        let ours = parse(
            "a_build_info{v=\"1\"} 1\n# TYPE a gauge\na{x=\"1\"} 1\n# TYPE c counter\nc 100\nextra 1\n",
        );
        let peer = parse(
            "a_build_info{v=\"2\"} 1\n# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\"} 1\n# TYPE c counter\nc 200\ngone 1\n",
        );
        let report = report(&ours, &peer, true);
        assert_eq!(report.faults, 4, "{}", report.text);
        for line in [
            "  gone\n",
            "  a: ours gauge, peer counter\n",
            "  a{x=\"2\"}\n",
            "  c: ours 100, peer 200\n",
            "  extra\n",
        ] {
            assert!(report.text.contains(line), "{line} in {}", report.text);
        }
    }
}
