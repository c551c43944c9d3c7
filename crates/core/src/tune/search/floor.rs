//! What a plan costs at least.

use super::genome::Genome;
use super::goal::Goal;
use super::times::Times;
use crate::plan::{Device, Mode};
use crate::sim::SimError;

/// Costs of plans whose devices never wait and are never in each other's way: no simulation gives less.
pub(super) struct Floor<'a> {
    pub times: &'a Times<'a>,
    pub rows: usize,
    pub goal: &'a Goal,
}

impl Floor<'_> {
    /// The cost per row, as a judge counts it, of a run of `us` microseconds in which the GPU and all DLAs together
    /// compute for so long.
    pub fn cost(&self, us: f64, gpu_us: f64, dla_us: f64) -> f64 {
        let rows = self.rows as f64;
        match self.goal {
            Goal::Throughput | Goal::Latency { .. } => us / rows,
            Goal::Energy(power) => (power.idle * us + power.gpu * gpu_us + power.dla * dla_us) / 1e6 / rows,
        }
    }

    /// Microseconds of one execution of `batch` rows on each of `dlas`.
    pub fn each(&self, way: usize, dlas: &[Device], batch: usize) -> Result<Vec<f64>, SimError> {
        let one = |device: &Device| Ok(self.times.first(Some(way), *device, batch)?.alone_us);
        dlas.iter().map(one).collect()
    }

    /// The least cost per row of a plan with a cut.
    pub fn of(&self, genome: &Genome) -> Result<f64, SimError> {
        let Some(way) = genome.way else {
            return Ok(0.0);
        };
        let rest = self.rows - genome.n_d * genome.r_d.iter().sum::<usize>();
        let each = self.each(way, &self.times.space.dlas, genome.n_d)?;
        let rounds = genome.r_d.iter().zip(&each);
        let mut dlas: Vec<f64> = rounds.map(|(r, us)| *r as f64 * us).collect();
        let gpu = if genome.gpu {
            self.in_batches(way, Device::Gpu, rest, genome.n_g)?
        } else {
            dlas[0] += self.in_batches(way, self.times.space.dlas[0], rest, genome.n_d)?;
            0.0
        };
        let one = self.times.suffix(way, genome.suffix)?.alone_us;
        let suffix = one * (self.rows / genome.suffix) as f64;
        let dla = dlas.iter().copied().fold(0.0, f64::max);
        let us = match genome.mode {
            Mode::Merged => gpu.max(dla) + suffix,
            Mode::Pipelined => (gpu + suffix).max(dla + one),
        };
        Ok(self.cost(us, gpu + suffix, dlas.iter().sum()))
    }

    fn in_batches(&self, way: usize, device: Device, rows: usize, batch: usize) -> Result<f64, SimError> {
        let time = |n: usize| match n {
            0 => Ok(0.0),
            n => Ok::<f64, SimError>(self.times.first(Some(way), device, n)?.alone_us),
        };
        Ok(time(batch)? * (rows / batch) as f64 + time(rows % batch)?)
    }
}
