//! What a tuning found.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::values::Strategy;
use crate::plan::Plan;
use crate::trace::Timeline;
use crate::tune::search::{self, Bound, Figures, Goal, SearchOutcome, Space};

/// Everything that was found.
#[derive(Serialize)]
pub struct TuneOutcome {
    pub artifact: PathBuf,
    pub network: String,
    pub board: String,
    /// Where figures come from.
    pub origin: String,
    pub goal: Goal,
    pub points: Vec<Point>,
    /// Why some of the batches that were asked for have no plan.
    pub infeasible: Vec<String>,
    /// The plan file that was written.
    pub file: Option<PathBuf>,
    /// The chosen plan of the largest batch in virtual time.
    #[serde(skip)]
    pub timeline: Option<Timeline>,
}

/// One batch with one strategy.
#[derive(Serialize)]
pub struct Point {
    pub batch: usize,
    pub strategy: &'static str,
    pub plan: Plan,
    pub text: String,
    pub rows_per_second: f64,
    pub latency_ms: f64,
    pub p99_ms: Option<f64>,
    pub joules_per_row: Option<f64>,
    pub memory_bytes: u64,
    pub engines: usize,
    /// What the model's devices and memory allow at most, and the share of it that was reached.
    pub bound: Bound,
    pub of_bound: f64,
    /// Over the best plan of the GPU alone.
    pub over_gpu_only: f64,
    pub estimated: usize,
    pub simulated: usize,
    pub exhaustive: bool,
    /// What the strategy took to find its plan, without measurements.
    pub seconds: f64,
    /// Plans that ran, best first.
    pub measured: Vec<MeasuredPlan>,
    #[serde(skip)]
    pub best: Best,
}

/// The best plans of a search, and that of the GPU alone.
pub struct Best {
    pub figures: Vec<Figures>,
    pub gpu_only: Plan,
}

/// One plan that ran.
#[derive(Clone, Serialize)]
pub struct MeasuredPlan {
    #[serde(skip)]
    pub plan: Plan,
    #[serde(rename = "plan")]
    pub text: String,
    pub rows_per_second: f64,
    /// The interval that holds the median rate 19 times of 20.
    pub low: f64,
    pub high: f64,
    pub worst_ms: f64,
    /// Metered, or by the power that was given; known where the goal asks for it.
    pub joules_per_row: Option<f64>,
    pub runs: usize,
}

impl Point {
    pub fn new(
        space: &Space<'_>,
        strategy: Strategy,
        found: SearchOutcome,
        took: Duration,
    ) -> Result<Point, Box<dyn Error>> {
        let best = found.best[0].clone();
        let batch = best.plan.total();
        let gpu_only = search::gpu_only(space, batch)?;
        let alone = space.figures(&gpu_only, None)?.rows_per_second;
        Ok(Point {
            batch,
            strategy: strategy.name(),
            text: best.plan.to_string(),
            plan: best.plan,
            rows_per_second: best.rows_per_second,
            latency_ms: best.latency_ms,
            p99_ms: best.p99_ms,
            joules_per_row: best.joules_per_row,
            memory_bytes: best.memory,
            engines: best.engines,
            of_bound: best.rows_per_second / found.bound.rows_per_second(),
            bound: found.bound,
            over_gpu_only: best.rows_per_second / alone,
            estimated: found.estimated,
            simulated: found.simulated,
            exhaustive: found.exhaustive,
            seconds: took.as_secs_f64(),
            measured: Vec::new(),
            best: Best {
                figures: found.best,
                gpu_only,
            },
        })
    }

    /// Puts the best that ran in the place of the best that was predicted.
    pub fn take(&mut self, space: &Space<'_>, measured: Vec<MeasuredPlan>) -> Result<(), Box<dyn Error>> {
        let first = if self.strategy == Strategy::Search.name() {
            measured.first()
        } else {
            measured.iter().find(|m| m.plan == self.plan)
        };
        let alone = measured.iter().find(|m| m.plan == self.best.gpu_only);
        if let (Some(first), Some(alone)) = (first, alone) {
            self.plan = first.plan.clone();
            self.text = first.text.clone();
            self.rows_per_second = first.rows_per_second;
            self.latency_ms = self.batch as f64 * 1e3 / first.rows_per_second;
            self.memory_bytes = space.memory(&self.plan);
            self.engines = space.engines(&self.plan);
            self.of_bound = first.rows_per_second / self.bound.rows_per_second();
            self.over_gpu_only = first.rows_per_second / alone.rows_per_second;
            self.p99_ms = None;
            self.joules_per_row = first.joules_per_row;
        }
        self.measured = measured;
        Ok(())
    }
}
