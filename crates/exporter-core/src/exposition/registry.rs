//! What applications keep in a `prometheus::Registry` enters a scrape here.

use super::{Arena, Distribution, Dynamic, Kind};
use prometheus::Registry;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

/// Puts all that a registry gathers.
pub fn put(registry: &Registry, out: &mut Arena) {
    for family in registry.gather() {
        put_family(&family, out);
    }
}

fn put_family(family: &MetricFamily, out: &mut Arena) {
    let dynamic = Dynamic {
        name: family.name(),
        help: family.help(),
        kind: match family.get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::GAUGE => Kind::Gauge,
            MetricType::HISTOGRAM => Kind::Histogram,
            MetricType::SUMMARY => Kind::Summary,
            MetricType::UNTYPED => Kind::Untyped,
        },
    };
    for metric in family.get_metric() {
        let labels: Vec<(&str, &str)> = metric
            .get_label()
            .iter()
            .map(|pair: &LabelPair| (pair.name(), pair.value()))
            .collect();
        put_metric(dynamic, &labels, metric, out);
    }
}

fn put_metric(family: Dynamic<'_>, labels: &[(&str, &str)], metric: &Metric, out: &mut Arena) {
    let timestamp = Some(metric.timestamp_ms()).filter(|t| *t != 0);
    match family.kind {
        Kind::Histogram => {
            let histogram = metric.get_histogram();
            let points: Vec<(f64, f64)> = histogram
                .get_bucket()
                .iter()
                .map(|b| (b.upper_bound(), b.cumulative_count() as f64))
                .collect();
            let distribution = Distribution {
                sum: histogram.get_sample_sum(),
                count: histogram.get_sample_count() as f64,
                points: &points,
            };
            out.put_dynamic_distribution(family, labels, distribution, timestamp);
        }
        Kind::Summary => {
            let summary = metric.get_summary();
            let points: Vec<(f64, f64)> = summary
                .get_quantile()
                .iter()
                .map(|q| (q.quantile(), q.value()))
                .collect();
            let distribution = Distribution {
                sum: summary.sample_sum(),
                count: summary.sample_count() as f64,
                points: &points,
            };
            out.put_dynamic_distribution(family, labels, distribution, timestamp);
        }
        Kind::Counter => {
            out.put_dynamic_at(family, labels, metric.get_counter().get_value(), timestamp);
        }
        _ => out.put_dynamic_at(family, labels, metric.get_gauge().get_value(), timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{HistogramOpts, HistogramVec, IntCounter, Opts};

    #[test]
    fn counters_and_histograms() {
        let registry = Registry::new();
        let requests = IntCounter::with_opts(Opts::new("requests_total", "Requests.")).unwrap();
        requests.inc_by(3);
        let options = HistogramOpts::new("seconds", "Time.").buckets(vec![1.0, 2.0]);
        let seconds = HistogramVec::new(options, &["path"]).unwrap();
        seconds.with_label_values(&["/"]).observe(1.5);
        registry.register(Box::new(requests)).unwrap();
        registry.register(Box::new(seconds)).unwrap();
        let mut arena = Arena::new();
        put(&registry, &mut arena);
        arena.seal();
        let mut out = Vec::new();
        super::super::text::encode(&arena, Default::default(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total 3\n\
             # HELP seconds Time.\n# TYPE seconds histogram\n\
             seconds_bucket{path=\"/\",le=\"1\"} 0\nseconds_bucket{path=\"/\",le=\"2\"} 1\n\
             seconds_bucket{path=\"/\",le=\"+Inf\"} 1\nseconds_sum{path=\"/\"} 1.5\n\
             seconds_count{path=\"/\"} 1\n"
        );
    }
}
