//! What the user is told in the end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::Arguments;
use super::feed::SourceSummary;
use super::source::Ended;
use crate::cli::output::{counted, seconds};
use crate::pipeline::{DeviceStats, StreamStats};
use crate::schedule::StreamLane;
use crate::session::BatchOrigin;

#[derive(Serialize)]
pub struct Report {
    artifact: PathBuf,
    devices: String,
    source: Ended,
    /// Items that the source handed over.
    received: u64,
    /// What it sent that is no item.
    refused: u64,
    computed: u64,
    dropped: u64,
    failed: u64,
    seconds: f64,
    items_per_second: f64,
    latency_ms: Latency,
    bound_ms: Option<f64>,
    /// Items computed later than the bound.
    late: u64,
    engines: Vec<BuiltEngine>,
    batches_from: BatchOrigin,
    stats: BTreeMap<String, DeviceStats>,
}

/// What a stream starts with.
pub struct StreamStart {
    /// Rows of an item.
    pub unit: usize,
    /// In batches of items.
    pub engines: Vec<StreamLane>,
    pub origin: BatchOrigin,
}

#[derive(Serialize)]
struct Latency {
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

#[derive(Serialize)]
struct BuiltEngine {
    device: String,
    batch: usize,
    /// Of one execution before the stream began, with the devices to itself.
    ms: f64,
}

impl Report {
    pub fn new(
        arguments: &Arguments,
        devices: String,
        begun: &StreamStart,
        fed: &SourceSummary,
        stats: &StreamStats,
        seconds: f64,
    ) -> Report {
        let at = |share| ms(stats.latency(share));
        let built = |lane: &StreamLane| {
            let device = lane.device.to_string();
            let engines = lane.first.iter();
            engines
                .map(|timed| BuiltEngine {
                    device: device.clone(),
                    batch: timed.batch * begun.unit,
                    ms: ms(timed.expected),
                })
                .collect::<Vec<_>>()
        };
        Report {
            artifact: arguments.artifact.clone(),
            devices,
            source: fed.ended.clone(),
            received: fed.items,
            refused: fed.refused.len() as u64,
            computed: stats.computed,
            dropped: stats.dropped,
            failed: stats.failed,
            seconds,
            items_per_second: stats.computed as f64 / seconds,
            latency_ms: Latency {
                mean: ms(stats.mean_latency()),
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                max: at(1.0),
            },
            bound_ms: arguments.max_latency.map(ms),
            late: stats.late,
            engines: begun.engines.iter().flat_map(built).collect(),
            batches_from: begun.origin.clone(),
            stats: stats.devices.clone(),
        }
    }

    /// Whether the source ended by itself and all it sent was an item that could be computed, or dropped as asked.
    pub fn clean(&self) -> bool {
        self.source == Ended::Complete && self.refused == 0 && self.failed == 0
    }

    pub fn human(&self) -> String {
        let Latency {
            p50, p90, p99, max, ..
        } = self.latency_ms;
        let mut lines = vec![
            format!("devices  {}", self.devices),
            format!("batches  {}", self.batches_from),
            format!(
                "source   {}; {}",
                counted(self.received, "item"),
                said(&self.source)
            ),
            format!(
                "answers  {} computed, {} dropped, {} failed",
                self.computed, self.dropped, self.failed
            ),
            format!("latency  p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, longest {max:.1} ms"),
        ];
        if let Some(bound) = self.bound_ms {
            lines.push(format!(
                "bound    {bound} ms, exceeded by {}",
                counted(self.late, "item")
            ));
        }
        if self.refused > 0 {
            lines.push(format!("refused  {} that cannot be read", self.refused));
        }
        lines.push(format!(
            "speed    {} in {}, {:.1} items/s",
            counted(self.computed, "item"),
            seconds(self.seconds),
            self.items_per_second
        ));
        for (device, stats) in &self.stats {
            lines.push(format!(
                "{device:8} {}, busy {}",
                stats.describe(),
                seconds(stats.busy)
            ));
            if let Some(failure) = &stats.failure {
                lines.push(format!(
                    "lost     {device}: {failure}; {} went to other devices",
                    counted(stats.redealt, "item")
                ));
            }
        }
        lines.join("\n")
    }
}

fn said(ended: &Ended) -> String {
    match ended {
        Ended::Complete => "it ended".to_string(),
        Ended::Stalled { seconds } => {
            format!("it stalled: nothing came for {seconds} s (--stall); what came before is answered")
        }
        Ended::Garbage { reason } => {
            format!("it sent garbage: {reason}; what came before is answered")
        }
        Ended::Lost { reason } => {
            format!("its connection broke: {reason}; what came before is answered")
        }
        Ended::Interrupted => "interrupted; what came before is answered".to_string(),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
