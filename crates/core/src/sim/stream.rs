//! Data that arrives over a network: wait for all of it and run one large batch, or run small batches as they come.

use serde::Serialize;

use super::sweep::{Choice, Network, best};
use super::{Costs, Noise, SimError};

/// One bandwidth, with the time until the last result counted from the first byte.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arrival {
    /// Megabytes (10^6 bytes) per second.
    pub megabytes_per_second: f64,
    /// Rows per second when all data is awaited and run in one batch.
    pub offline: f64,
    /// Rows per second in steady batches.
    pub stream: f64,
    /// The steady batch that did it.
    pub stream_batch: usize,
    /// Milliseconds from the arrival of a batch's first row to its results, waiting for the batch before it included.
    pub stream_latency_ms: f64,
}

/// Rows that arrive one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arriving {
    pub rows: usize,
    pub bytes_per_row: usize,
}

/// Both modes at each bandwidth (MB/s), with the faster of the GPU alone and all devices for either.
///
/// # Errors
/// [`SimError`] of the first run that cannot be simulated.
pub fn arrivals(
    network: &Network,
    costs: &dyn Costs,
    data: Arriving,
    bandwidths: &[f64],
    batches: &[usize],
) -> Result<Vec<Arrival>, SimError> {
    let whole = fastest(network, costs, data.rows)?;
    let divide = |b: &&usize| data.rows.is_multiple_of(**b);
    let mut times = Vec::new();
    for &batch in batches.iter().filter(divide) {
        times.push((batch, fastest(network, costs, batch)?));
    }
    let at = |bandwidth: f64| {
        let row_us = data.bytes_per_row as f64 / bandwidth;
        let offline = data.rows as f64 * row_us + whole;
        let streams = times.iter().map(|(b, us)| stream(data.rows, *b, *us, row_us));
        let fast = streams.min_by(|a, b| a.end_us.total_cmp(&b.end_us))?;
        Some(Arrival {
            megabytes_per_second: bandwidth,
            offline: data.rows as f64 * 1e6 / offline,
            stream: data.rows as f64 * 1e6 / fast.end_us,
            stream_batch: fast.batch,
            stream_latency_ms: fast.latency_us / 1e3,
        })
    };
    Ok(bandwidths.iter().filter_map(|b| at(*b)).collect())
}

/// The first bandwidth from which waiting for all data is at least as fast as a stream, between two neighbours of
/// `arrivals` (ascending), interpolated.
pub fn crossover(arrivals: &[Arrival]) -> Option<f64> {
    let gain = |a: &Arrival| a.stream / a.offline - 1.0;
    let pair = arrivals
        .windows(2)
        .find(|p| gain(&p[0]) > 0.0 && gain(&p[1]) <= 0.0)?;
    let (left, right) = (gain(&pair[0]), gain(&pair[1]));
    let (from, to) = (pair[0].megabytes_per_second, pair[1].megabytes_per_second);
    Some(from + (to - from) * left / (left - right))
}

fn fastest(network: &Network, costs: &dyn Costs, batch: usize) -> Result<f64, SimError> {
    let mut least = f64::INFINITY;
    for choice in network.choices() {
        if choice != Choice::DlaOnly {
            least = least.min(best(network, choice, batch, costs, Noise::NONE)?.1.makespan_us);
        }
    }
    Ok(least)
}

struct Stream {
    batch: usize,
    end_us: f64,
    latency_us: f64,
}

/// Batches of `batch` rows, each run when its last row is there and the one before it is done.
fn stream(rows: usize, batch: usize, batch_us: f64, row_us: f64) -> Stream {
    let (mut end, mut latency) = (0.0f64, 0.0f64);
    for round in 0..rows / batch {
        let first = (round * batch) as f64 * row_us;
        let complete = first + batch as f64 * row_us;
        end = end.max(complete) + batch_us;
        latency = latency.max(end - first);
    }
    Stream {
        batch,
        end_us: end,
        latency_us: latency,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Device;
    use crate::plan::StageKind;
    use crate::schedule::{Order, Overflow, StreamRules};
    use crate::sim::{ExecutionCost, Flow, simulate_stream, stream_lanes};

    /// A fixed part and a part per row, in microseconds.
    struct Line(f64, f64);

    impl Costs for Line {
        fn execution(&self, _: StageKind, _: Device, batch: usize) -> Result<ExecutionCost, String> {
            Ok(ExecutionCost::time(self.0 + self.1 * batch as f64))
        }
    }

    #[test]
    fn one_device_that_waits_for_full_batches_is_the_stream_machine_with_one_engine() {
        for (fixed, row, batch, row_us, why) in [
            (400.0, 20.0, 8, 100.0, "the network is the bottleneck of neither"),
            (400.0, 20.0, 8, 30.0, "the device is the bottleneck"),
            (400.0, 20.0, 1, 500.0, "row by row"),
        ] {
            let (rows, costs) = (96, Line(fixed, row));
            let want = stream(rows, batch, fixed + row * batch as f64, row_us);
            let lanes = stream_lanes(Flow::Whole, &[(Device::Gpu, vec![batch])], &costs).unwrap();
            let rules = StreamRules {
                lanes,
                // Never the reason to start.
                bound: Some(Duration::from_secs(60)),
                slack: Duration::ZERO,
                capacity: rows,
                overflow: Overflow::Wait,
                order: Order::Arrival,
            };
            // A row is there when its last byte is.
            let arrivals = (1..=rows as u32).map(|n| Duration::from_micros(row_us as u64) * n);
            let arrivals: Vec<Duration> = arrivals.collect();
            let run = simulate_stream(&rules, Flow::Whole, &arrivals, &costs, Noise::NONE);
            let run = run.unwrap();
            assert!(
                (run.makespan_us - want.end_us).abs() < 0.01,
                "{why}: {}",
                run.makespan_us
            );
            let worst = run.latency_us(1.0) + row_us;
            assert!((worst - want.latency_us).abs() < 0.01, "{why}: {worst}");
        }
    }
}
