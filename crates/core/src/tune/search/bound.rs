//! What no plan can exceed, whatever is searched.

use serde::Serialize;

use super::times::Times;
use crate::plan::{Device, StageKind};
use crate::sim::SimError;

/// Rows per second that the model's devices and memory allow at most, with nothing in each other's way.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bound {
    /// Every device at its best rate all the time, the suffix taken from the GPU's.
    pub devices: f64,
    /// The DRAM at its full rate all the time; known where the board's bandwidth is.
    pub bandwidth: Option<f64>,
}

impl Bound {
    /// The lesser.
    pub fn rows_per_second(&self) -> f64 {
        self.bandwidth.unwrap_or(f64::INFINITY).min(self.devices)
    }

    pub(super) fn of(times: &Times<'_>, rows: usize) -> Result<Bound, SimError> {
        let mut most = Bound::of_way(times, None, rows)?;
        for at in 0..times.space.ways.len() {
            let other = Bound::of_way(times, Some(at), rows)?;
            if other.rows_per_second() > most.rows_per_second() {
                most = other;
            }
        }
        Ok(most)
    }

    /// The same for the plans of one cut.
    ///
    /// In time T the GPU runs x prefix rows and the suffix of all rows, a DLA y rows: x·g + B·s <= T, y·d <= T,
    /// x + Σy = B. With all of it full, B/T = (1/g + Σ1/d) / (1 + s/g); without prefix rows on the GPU it is the lesser of
    /// Σ1/d and 1/s.
    pub(super) fn of_way(times: &Times<'_>, way: Option<usize>, rows: usize) -> Result<Bound, SimError> {
        let mut least = Least::of(times, way, Device::Gpu, rows)?;
        let gpu = 1.0 / least.us;
        let Some(at) = way else {
            return Ok(least.bound(times, way, gpu));
        };
        let mut dlas = 0.0;
        for device in &times.space.dlas {
            let dla = Least::of(times, way, *device, rows)?;
            dlas += 1.0 / dla.us;
            least.bytes = least.bytes.min(dla.bytes);
        }
        let suffix = Least::of_suffix(times, at, rows)?;
        least.bytes += suffix.bytes;
        let full = (gpu + dlas) / (1.0 + suffix.us * gpu);
        let rate = if full * suffix.us <= 1.0 {
            full
        } else {
            dlas.min(1.0 / suffix.us)
        };
        Ok(least.bound(times, way, rate))
    }
}

/// The least time and traffic per row.
struct Least {
    us: f64,
    bytes: f64,
}

impl Least {
    /// Over the usual batches, and all others that were asked for.
    fn of(times: &Times<'_>, way: Option<usize>, device: Device, rows: usize) -> Result<Least, SimError> {
        for batch in times.rows(way, device, rows) {
            times.first(way, device, batch)?;
        }
        Ok(Least::known(times, way, times.first_stage(way), device))
    }

    fn of_suffix(times: &Times<'_>, at: usize, rows: usize) -> Result<Least, SimError> {
        if !times.way(at).suffix {
            return Ok(Least { us: 0.0, bytes: 0.0 });
        }
        for batch in times.rows(None, Device::Gpu, rows) {
            times.suffix(at, batch)?;
        }
        times.suffix(at, rows)?;
        Ok(Least::known(times, Some(at), StageKind::Suffix, Device::Gpu))
    }

    fn known(times: &Times<'_>, way: Option<usize>, stage: StageKind, device: Device) -> Least {
        let mut least = Least {
            us: f64::INFINITY,
            bytes: f64::INFINITY,
        };
        times.each(way, stage, device, |rows, cost| {
            // With two engines of a kind the submission is hidden.
            least.us = least.us.min(cost.alone_us / rows as f64);
            least.bytes = least.bytes.min(cost.bytes as f64 / rows as f64);
        });
        least
    }

    /// `rate` is in rows per microsecond.
    fn bound(&self, times: &Times<'_>, way: Option<usize>, rate: f64) -> Bound {
        let bandwidth = times.costs(way).bandwidth();
        Bound {
            devices: rate * 1e6,
            bandwidth: bandwidth.map(|gb| gb * 1e9 / self.bytes),
        }
    }
}
