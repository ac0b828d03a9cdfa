//! An application that exposes what the OpenTelemetry SDK measures: `cargo run --example
//! opentelemetry`, then `curl localhost:9000/metrics`.
//!
//! Names follow the OpenTelemetry specification's Prometheus compatibility: characters that are not
//! legal become underscores, units are spelled out, monotonic sums end in `_total`.

use exporter_core::exposition::{Arena, Distribution, Dynamic, Kind};
use exporter_core::web::{
    MetricsHandler, MetricsOptions, Refusal, ScrapeRequest, Scraped, Scraping, Server, Source,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
};
use std::sync::{Arc, Weak};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let reader = Reader(Arc::new(ManualReader::default()));
    let provider = SdkMeterProvider::builder()
        .with_reader(reader.clone())
        .build();
    let meter = provider.meter("example");
    meter
        .u64_counter("jobs")
        .build()
        .add(1, &[KeyValue::new("queue", "mail")]);
    meter
        .f64_histogram("job.duration")
        .with_unit("s")
        .build()
        .record(0.3, &[]);

    let metrics = MetricsHandler::new(reader, MetricsOptions::default());
    let server = Server::new()
        .bind("127.0.0.1:9000")?
        .route("/metrics", metrics);
    server.run().await
}

/// A reader that the provider and the door share.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }
    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }
    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }
    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

impl Source for Reader {
    fn scrape<'a>(&'a self, _: &'a ScrapeRequest) -> Scraping<'a> {
        Box::pin(async move {
            let mut measured = ResourceMetrics::default();
            self.0.collect(&mut measured).map_err(|error| Refusal {
                status: http::StatusCode::INTERNAL_SERVER_ERROR,
                text: error.to_string(),
            })?;
            let mut arena = Arena::new();
            for scope in measured.scope_metrics() {
                for metric in scope.metrics() {
                    put(metric, scope.scope().name(), &mut arena);
                }
            }
            Ok(Scraped::Arena(arena))
        })
    }
}

fn put(metric: &Metric, scope: &str, out: &mut Arena) {
    match metric.data() {
        AggregatedMetrics::F64(data) => put_data(metric, scope, data, |v| v, out),
        AggregatedMetrics::U64(data) => put_data(metric, scope, data, |v| v as f64, out),
        AggregatedMetrics::I64(data) => put_data(metric, scope, data, |v| v as f64, out),
    }
}

fn put_data<T: Copy>(
    metric: &Metric,
    scope: &str,
    data: &MetricData<T>,
    number: fn(T) -> f64,
    out: &mut Arena,
) {
    let total = matches!(data, MetricData::Sum(sum) if sum.is_monotonic());
    let name = family_name(metric.name(), metric.unit(), total);
    let family = |kind| Dynamic {
        name: &name,
        help: metric.description(),
        kind,
    };
    match data {
        MetricData::Gauge(gauge) => {
            for point in gauge.data_points() {
                let labels = labels(point.attributes(), scope);
                out.put_dynamic(
                    family(Kind::Gauge),
                    &borrowed(&labels),
                    number(point.value()),
                );
            }
        }
        MetricData::Sum(sum) => {
            let kind = if total { Kind::Counter } else { Kind::Gauge };
            for point in sum.data_points() {
                let labels = labels(point.attributes(), scope);
                out.put_dynamic(family(kind), &borrowed(&labels), number(point.value()));
            }
        }
        MetricData::Histogram(histogram) => {
            for point in histogram.data_points() {
                let mut below = 0;
                let counts = point
                    .bounds()
                    .zip(point.bucket_counts())
                    .map(|(bound, count)| {
                        below += count;
                        (bound, below as f64)
                    });
                let points: Vec<(f64, f64)> = counts.collect();
                let distribution = Distribution {
                    sum: number(point.sum()),
                    count: point.count() as f64,
                    points: &points,
                };
                let labels = labels(point.attributes(), scope);
                let family = family(Kind::Histogram);
                out.put_dynamic_distribution(family, &borrowed(&labels), distribution, None);
            }
        }
        // Their buckets have no counterpart in the text format.
        MetricData::ExponentialHistogram(_) => {}
    }
}

fn family_name(name: &str, unit: &str, total: bool) -> String {
    let mut name = legal(name);
    let unit = match unit {
        "s" => "seconds",
        "ms" => "milliseconds",
        "By" => "bytes",
        "1" | "" => "",
        other => other,
    };
    if !unit.is_empty() && !unit.starts_with('{') && !name.ends_with(unit) {
        name = format!("{name}_{}", legal(unit));
    }
    if total && !name.ends_with("_total") {
        name += "_total";
    }
    name
}

fn legal(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(legal).collect()
}

fn labels<'a>(
    attributes: impl Iterator<Item = &'a KeyValue>,
    scope: &str,
) -> Vec<(String, String)> {
    let own = attributes.map(|pair| (legal(pair.key.as_str()), pair.value.to_string()));
    own.chain([("otel_scope_name".to_owned(), scope.to_owned())])
        .collect()
}

fn borrowed(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    labels
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect()
}
