//! What Prometheus reads.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    exponential_buckets,
};

use super::infer::Models;

pub(super) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    rows: IntCounterVec,
    waiting: IntGaugeVec,
    device_rows: IntCounterVec,
    executions: IntCounterVec,
    padding: IntCounterVec,
    busy: IntCounterVec,
    lost: IntGaugeVec,
    /// Counters that are brought up to date when they are read, by one reader at a time.
    reading: Mutex<()>,
}

impl Metrics {
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let buckets = exponential_buckets(0.001, 2.0, 15)?;
        let seconds = HistogramOpts::new(
            "tvm_dla_request_seconds",
            "Seconds from a request's first byte to its answer",
        );
        let seconds = HistogramVec::new(seconds.buckets(buckets), &["model", "protocol"])?;
        registry.register(Box::new(seconds.clone()))?;
        let device = ["model", "device"];
        Ok(Metrics {
            requests: counter(
                "tvm_dla_requests_total",
                "Inference requests by outcome: ok, or the kind of error",
                &["model", "protocol", "outcome"],
            )?,
            rows: counter("tvm_dla_rows_total", "Rows by fate", &["model", "fate"])?,
            waiting: gauge(
                "tvm_dla_rows_waiting",
                "Rows of requests not answered yet",
                &["model"],
            )?,
            device_rows: counter("tvm_dla_device_rows_total", "Rows a device computed", &device)?,
            executions: counter(
                "tvm_dla_device_executions_total",
                "Executions of a device's engines",
                &device,
            )?,
            padding: counter(
                "tvm_dla_device_padding_total",
                "Rows computed only to fill a batch",
                &device,
            )?,
            busy: counter(
                "tvm_dla_device_busy_microseconds_total",
                "Microseconds inside a device's engines",
                &device,
            )?,
            lost: gauge(
                "tvm_dla_device_lost",
                "1 when a device failed or hung and is no longer used",
                &device,
            )?,
            seconds,
            registry,
            reading: Mutex::new(()),
        })
    }

    /// One inference request that was answered. An unknown model has no name here, so that clients cannot invent
    /// labels.
    pub fn request(&self, model: Option<&str>, protocol: &str, outcome: &str, took: Duration) {
        let model = model.unwrap_or("");
        self.requests.with_label_values(&[model, protocol, outcome]).inc();
        self.seconds
            .with_label_values(&[model, protocol])
            .observe(took.as_secs_f64());
    }

    /// The text format of Prometheus.
    pub fn text(&self, models: &Models) -> Result<String, prometheus::Error> {
        let _one = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        for model in &models.0 {
            let stats = model.stats();
            for (fate, count) in [
                ("computed", stats.computed),
                ("failed", stats.failed),
                ("late", stats.late),
            ] {
                raise(&self.rows, &[model.name(), fate], count);
            }
            self.waiting
                .with_label_values(&[model.name()])
                .set(model.waiting() as i64);
            for (device, stats) in &stats.devices {
                let labels = [model.name(), device.as_str()];
                raise(&self.device_rows, &labels, stats.rows as u64);
                raise(&self.executions, &labels, stats.rounds as u64);
                raise(&self.padding, &labels, stats.padding as u64);
                raise(&self.busy, &labels, (stats.busy * 1e6) as u64);
                self.lost
                    .with_label_values(&labels)
                    .set(i64::from(stats.failure.is_some()));
            }
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// Brings a counter up to `value`, which never falls.
fn raise(counter: &IntCounterVec, labels: &[&str], value: u64) {
    let counter = counter.with_label_values(labels);
    counter.inc_by(value.saturating_sub(counter.get()));
}
