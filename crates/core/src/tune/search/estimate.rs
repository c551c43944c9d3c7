//! Every combination of the space, estimated by arithmetic, and the best of them.

use std::collections::BinaryHeap;

use super::Bound;
use super::genome::Genome;
use super::goal::Goal;
use super::shape::Shape;
use super::times::Times;
use crate::plan::{Device, Plan};
use crate::sim::{ExecutionCost, SimError};

/// Executions of a plan beyond which it is not worth simulating.
const EXECUTIONS: usize = 4096;

/// The best estimates.
pub(super) struct Estimates {
    found: BinaryHeap<EstimatedPlan>,
    pub count: usize,
    keep: usize,
}

/// Best estimates that are kept of every cut with every set of devices: where devices are in each other's way more or less
/// than the arithmetic says, its best guess at one set may be worse than a poor one at another.
const OF_EACH: usize = 8;

struct EstimatedPlan {
    cost: f64,
    genome: Genome,
    plan: Plan,
}

impl Estimates {
    fn new(keep: usize) -> Estimates {
        Estimates {
            found: BinaryHeap::new(),
            count: 0,
            keep,
        }
    }

    /// Takes all that `others` have kept.
    fn extend(&mut self, others: Estimates) {
        self.count += others.count;
        self.found.extend(others.found);
    }

    pub fn add(&mut self, times: &Times<'_>, rows: usize, cost: f64, genome: Genome) {
        self.count += 1;
        let worst = self.found.peek().map_or(f64::INFINITY, |e| e.cost);
        if self.found.len() >= self.keep && cost >= worst {
            return;
        }
        let Some(plan) = genome.plan(times.space, rows) else {
            return;
        };
        let executions: usize = plan.prefix.iter().map(|s| s.rounds).sum();
        if executions + rows / plan.suffix_batch > EXECUTIONS.max(rows / 8) {
            return;
        }
        self.found.push(EstimatedPlan { cost, genome, plan });
        if self.found.len() > self.keep {
            self.found.pop();
        }
    }

    /// All that were kept, best first.
    pub fn best(self) -> impl Iterator<Item = (Genome, Plan)> {
        let sorted = self.found.into_sorted_vec().into_iter();
        sorted.map(|e| (e.genome, e.plan))
    }
}

/// Estimates the GPU alone, and every cut whose bound is better than the best estimate so far.
pub(super) fn estimates(times: &Times<'_>, rows: usize, goal: &Goal) -> Result<Estimates, SimError> {
    let mut all = Estimates::new(OF_EACH);
    let mut least = alone(times, rows, goal, &mut all)?;
    let within = match goal {
        Goal::Throughput | Goal::Latency { .. } => least.us,
        Goal::Energy(_) => f64::INFINITY,
    };
    let mut ways = Vec::new();
    for at in 0..times.space.ways.len() {
        let bound = Bound::of_way(times, Some(at), rows)?.rows_per_second();
        ways.push((bound, at));
    }
    ways.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (bound, at) in ways {
        let hopeless = rows as f64 * 1e6 / bound > least.us;
        if hopeless && matches!(goal, Goal::Throughput | Goal::Latency { .. }) {
            break;
        }
        for cores in 1..=times.space.dlas.len() {
            for gpu in [true, false] {
                let dlas = &times.space.dlas[..cores];
                let way = Shape::new(times, rows, goal, at, dlas, gpu, within);
                let mut best = Estimates::new(OF_EACH);
                least = least.lesser(way.all(&mut best)?);
                all.extend(best);
            }
        }
    }
    Ok(all)
}

/// The least time of any estimate.
#[derive(Clone, Copy)]
pub(super) struct Least {
    pub us: f64,
}

impl Least {
    pub fn lesser(self, other: Least) -> Least {
        Least {
            us: self.us.min(other.us),
        }
    }
}

fn alone(times: &Times<'_>, rows: usize, goal: &Goal, all: &mut Estimates) -> Result<Least, SimError> {
    let mut least = Least { us: f64::INFINITY };
    let start = times.costs(None).host(false).run_us;
    for n in times.rows(None, Device::Gpu, rows) {
        let full = times.first(None, Device::Gpu, n)?;
        let rest = match rows % n {
            0 => 0.0,
            rest => spent(&times.first(None, Device::Gpu, rest)?, 1.0, 1),
        };
        for engines in [1, 2] {
            let us = start + spent(&full, 1.0, engines) * (rows / n) as f64 + rest;
            least.us = least.us.min(us);
            let busy = us - start;
            let cost = cost(goal, us, busy, 0.0);
            all.add(times, rows, cost, Genome::alone(n, rows, engines));
        }
    }
    Ok(least)
}

/// Microseconds that a device is taken up by one execution, `slow` times slower than alone.
pub(super) fn spent(cost: &ExecutionCost, slow: f64, engines: usize) -> f64 {
    let work = cost.alone_us * slow;
    match engines {
        1 => cost.submit_us + work,
        _ => work.max(cost.submit_us),
    }
}

pub(super) fn cost(goal: &Goal, us: f64, gpu_us: f64, dla_us: f64) -> f64 {
    match goal {
        Goal::Throughput | Goal::Latency { .. } => us,
        Goal::Energy(power) => power.idle * us + power.gpu * gpu_us + power.dla * dla_us,
    }
}

impl Ord for EstimatedPlan {
    fn cmp(&self, other: &EstimatedPlan) -> std::cmp::Ordering {
        self.cost.total_cmp(&other.cost)
    }
}

impl PartialOrd for EstimatedPlan {
    fn partial_cmp(&self, other: &EstimatedPlan) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for EstimatedPlan {
    fn eq(&self, other: &EstimatedPlan) -> bool {
        self.cost.total_cmp(&other.cost).is_eq()
    }
}

impl Eq for EstimatedPlan {}
