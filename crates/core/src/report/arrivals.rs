//! Waiting for all data against running it as it arrives.

use super::chart::{Series, Tone, lines};
use crate::sim::Arrival;

/// One network at several bandwidths.
pub struct Arrivals<'a>(pub &'a [Arrival]);

impl Arrivals<'_> {
    /// Rates over bandwidth.
    pub fn plot(&self) -> String {
        let labels: Vec<String> = self
            .0
            .iter()
            .map(|a| a.megabytes_per_second.to_string())
            .collect();
        let series = |name: &str, tone, value: fn(&Arrival) -> f64| Series {
            name: name.into(),
            tone,
            values: self.0.iter().map(|a| Some(value(a))).collect(),
        };
        let both = [
            series("offline: one large batch", Tone::Gpu, |a| a.offline),
            series("stream: small steady batches", Tone::All, |a| a.stream),
        ];
        lines(
            "Rate by network bandwidth",
            ["MB/s", "images/s"],
            &labels,
            &both,
            None,
        )
    }

    /// The same as figures, with the best steady batch and its latency.
    pub fn table(&self) -> Vec<Vec<String>> {
        let head = [
            "MB/s",
            "offline, images/s",
            "stream, images/s",
            "steady batch",
            "latency of the stream",
        ];
        let mut rows = vec![head.map(str::to_string).to_vec()];
        for a in self.0 {
            rows.push(vec![
                a.megabytes_per_second.to_string(),
                format!("{:.1}", a.offline),
                format!("{:.1}", a.stream),
                a.stream_batch.to_string(),
                format!("{:.0} ms", a.stream_latency_ms),
            ]);
        }
        rows
    }
}
