//! Latencies: percentiles from the section Latencystats of INFO, spikes from LATENCY LATEST and
//! histograms from LATENCY HISTOGRAM.

use super::commandstats::Command;
use super::info::Info;
use crate::client::{Value, reply};
use crate::samples::Samples;
use exporter_core::dialect::strconv::parse_float;
use exporter_core::exposition::{Distribution, Family, Kind};

static PERCENTILES: Family = Family::new(
    Kind::Summary,
    "redis_latency_percentiles_usec",
    &["cmd"],
    "Latency of a command in microseconds; quantiles are in percent, as the server names them.",
);
static HISTOGRAM: Family = Family::new(
    Kind::Histogram,
    "redis_commands_latencies_usec",
    &["cmd"],
    "Latency of a command in microseconds.",
);
static SPIKE_LAST: Family = Family::gauge(
    "redis_latency_spike_last",
    &["event_name"],
    "Time of the latest latency spike of an event in seconds since the epoch.",
);
static SPIKE_DURATION: Family = Family::gauge(
    "redis_latency_spike_duration_seconds",
    &["event_name"],
    "Duration of the latest latency spike of an event in seconds.",
);

/// Families of this collector.
pub fn families() -> Vec<&'static Family> {
    vec![&PERCENTILES, &HISTOGRAM, &SPIKE_LAST, &SPIKE_DURATION]
}

/// Puts the percentiles of commands that Commandstats has too.
pub fn put_percentiles(info: &Info<'_>, commands: &[Command<'_>], out: &mut Samples<'_>) {
    let mut points = Vec::new();
    for line in info.section("Latencystats") {
        let name = line.field.strip_prefix("latency_percentiles_usec_");
        let command = name.and_then(|name| commands.iter().find(|c| c.name == name));
        let Some(command) = command else {
            continue;
        };
        if parse_percentiles(line.value, &mut points).is_none() {
            continue;
        }
        let summary = Distribution {
            sum: command.microseconds,
            count: command.calls,
            points: &points,
        };
        out.put_distribution(&PERCENTILES, &[("cmd", command.name)], summary);
    }
}

/// Reads `p50=0.001,p99.9=1.003` as ascending pairs. An item without equals sign is zero of zero.
fn parse_percentiles(text: &str, points: &mut Vec<(f64, f64)>) -> Option<()> {
    points.clear();
    for item in text.split(',') {
        let (quantile, value) = match super::item(item) {
            None => (0.0, 0.0),
            Some((name, value)) => {
                let mut digits = name.chars();
                digits.next()?;
                (parse_float(digits.as_str())?, parse_float(value)?)
            }
        };
        // The last of equal quantiles counts.
        points.retain(|p| p.0 != quantile);
        points.push((quantile, value));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(())
}

/// Puts what LATENCY LATEST replies: event, time, latest and longest duration.
pub fn put_spikes(latest: &Value, out: &mut Samples<'_>) {
    for event in reply::list(latest).unwrap_or_default() {
        let Some([name, time, duration, _, ..]) = reply::list(event) else {
            continue;
        };
        let numbers = (reply::integer(time), reply::integer(duration));
        if let (Some(name), (Some(time), Some(milliseconds))) = (reply::text(name), numbers) {
            out.put(&SPIKE_LAST, &[name], time as f64);
            out.put(&SPIKE_DURATION, &[name], milliseconds as f64 / 1000.0);
        }
    }
}

/// Puts what LATENCY HISTOGRAM replies. Sums come from Commandstats, where a command's own time and
/// that of its subcommands is.
pub fn put_histograms(histograms: &Value, commands: &[Command<'_>], out: &mut Samples<'_>) {
    let mut points = Vec::new();
    for (name, histogram) in reply::pairs(histograms) {
        let Some(calls) = parse_histogram(histogram, &mut points) else {
            return;
        };
        let histogram = Distribution {
            sum: time_of(name, commands),
            count: calls,
            points: &points,
        };
        out.put_distribution(&HISTOGRAM, &[("cmd", name)], histogram);
    }
}

/// Reads `calls N histogram_usec [bound count …]`; bounds ascend and counts are cumulative.
fn parse_histogram(histogram: &Value, points: &mut Vec<(f64, f64)>) -> Option<f64> {
    let fields = reply::pairs(histogram);
    let calls = reply::integer(reply::field(&fields, "calls")?)?;
    let buckets = reply::field(&fields, "histogram_usec")?;
    points.clear();
    match buckets {
        Value::Map(pairs) => {
            for (bound, count) in pairs {
                points.push((reply::integer(bound)? as f64, reply::integer(count)? as f64));
            }
        }
        flat => {
            for pair in reply::list(flat)?.chunks(2) {
                let [bound, count] = pair else {
                    return None;
                };
                points.push((reply::integer(bound)? as f64, reply::integer(count)? as f64));
            }
        }
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Some(calls as f64)
}

fn time_of(name: &str, commands: &[Command<'_>]) -> f64 {
    let own = |command: &&Command<'_>| {
        let rest = command.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
    };
    commands.iter().filter(own).map(|c| c.microseconds).sum()
}

#[cfg(test)]
mod tests {
    use super::super::commandstats;
    use super::*;
    use crate::samples::testing::exposed;
    use proptest::prelude::*;

    const TEXT: &str = "# Commandstats\ncmdstat_get:calls=2,usec=30,usec_per_call=15\n\
        cmdstat_config|get:calls=1,usec=5,usec_per_call=5\n\
        # Latencystats\nlatency_percentiles_usec_get:p50=1.5,p99.9=20,p50=2\n\
        latency_percentiles_usec_set:p50=1\nlatency_percentiles_usec_config|get:p50=x\n";

    fn value(bytes: &[u8]) -> Value {
        redis::parse_redis_value(bytes).unwrap()
    }

    #[test]
    fn percentiles_are_percents() {
        let info = Info::parse(TEXT.as_bytes());
        let commands = commandstats::parse(&info);
        let expected = "redis_latency_percentiles_usec{cmd=\"get\",quantile=\"50\"} 2\n\
            redis_latency_percentiles_usec{cmd=\"get\",quantile=\"99.9\"} 20\n\
            redis_latency_percentiles_usec_sum{cmd=\"get\"} 30\n\
            redis_latency_percentiles_usec_count{cmd=\"get\"} 2\n";
        assert_eq!(
            exposed(|out| put_percentiles(&info, &commands, out)),
            expected
        );
    }

    #[test]
    fn spikes() {
        let reply =
            value(b"*2\r\n*4\r\n$4\r\nfork\r\n:1700000000\r\n:12\r\n:90\r\n*1\r\n$1\r\nx\r\n");
        let expected = "redis_latency_spike_duration_seconds{event_name=\"fork\"} 0.012\n\
            redis_latency_spike_last{event_name=\"fork\"} 1.7e+09\n";
        assert_eq!(exposed(|out| put_spikes(&reply, out)), expected);
    }

    #[test]
    fn histograms() {
        let info = Info::parse(TEXT.as_bytes());
        let commands = commandstats::parse(&info);
        let reply = value(
            b"*4\r\n$6\r\nconfig\r\n*4\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n\
              *4\r\n:8\r\n:1\r\n:16\r\n:3\r\n$1\r\nx\r\n*0\r\n",
        );
        let expected = "redis_commands_latencies_usec_bucket{cmd=\"config\",le=\"8\"} 1\n\
            redis_commands_latencies_usec_bucket{cmd=\"config\",le=\"16\"} 3\n\
            redis_commands_latencies_usec_bucket{cmd=\"config\",le=\"+Inf\"} 3\n\
            redis_commands_latencies_usec_sum{cmd=\"config\"} 5\n\
            redis_commands_latencies_usec_count{cmd=\"config\"} 3\n";
        assert_eq!(
            exposed(|out| put_histograms(&reply, &commands, out)),
            expected
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse_percentiles(&text, &mut Vec::new());
        }
    }
}
