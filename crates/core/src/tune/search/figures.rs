//! Judges plans by simulating them.

use std::collections::{HashMap, HashSet};

use super::genome::Genome;
use super::goal::{Goal, Infeasible, Power};
use super::{Bound, KEPT, SearchError, SearchOutcome, Space};
use crate::plan::{Device, Plan};
use crate::sim::{Flow, Noise, SimError, SimulatedRun, simulate};

/// Runs from which a percentile is taken.
const RUNS: u64 = 100;

/// Plans whose costs differ by less are equal; the one with fewer engines to build is taken.
const EQUAL: f64 = 1e-6;

/// Plans with the same shares that are kept: costs that err, err alike for them.
const ALIKE: usize = 2;

/// Plans of a long list that are kept on the way.
const REMEMBERED: usize = 4096;

/// What a plan is predicted to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    pub plan: Plan,
    pub rows_per_second: f64,
    /// From the call to the last row, without jitter.
    pub latency_ms: f64,
    /// The same for 99 of 100 runs with jitter; known where the goal asks for it.
    pub p99_ms: Option<f64>,
    /// Where the board's power is known.
    pub joules_per_row: Option<f64>,
    pub memory: u64,
    pub engines: usize,
}

/// Simulates plans, each once, and remembers the best.
pub(super) struct Judge<'a> {
    space: &'a Space<'a>,
    goal: &'a Goal,
    seen: HashMap<Plan, f64>,
    judged: Vec<(f64, Option<Genome>, Figures)>,
    simulated: usize,
    least: f64,
    /// The plan nearest to the limits that refused every one so far, and its excess.
    refused: Option<(f64, Infeasible)>,
}

impl<'a> Judge<'a> {
    pub fn new(space: &'a Space<'a>, goal: &'a Goal) -> Judge<'a> {
        Judge {
            space,
            goal,
            seen: HashMap::new(),
            judged: Vec::new(),
            simulated: 0,
            least: f64::INFINITY,
            refused: None,
        }
    }

    /// The cost of a plan: microseconds or joules per row; infinite beyond the limits. It is simulated the first time.
    pub fn judge(&mut self, genome: Option<Genome>, plan: Plan) -> Result<f64, SimError> {
        if let Some(cost) = self.seen.get(&plan) {
            return Ok(*cost);
        }
        let cost = self.simulate(genome, &plan)?;
        self.seen.insert(plan, cost);
        Ok(cost)
    }

    /// [`Judge::judge_genome`] for a plan that comes once: it is not remembered unless it is among the best.
    pub fn judge_once(&mut self, genome: Genome, rows: usize) -> Result<(), SimError> {
        if let Some(plan) = genome.plan(self.space, rows) {
            self.simulate(Some(genome), &plan)?;
        }
        if self.judged.len() > REMEMBERED {
            self.judged.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.judged.truncate(REMEMBERED / 2);
        }
        Ok(())
    }

    /// The least cost so far.
    pub fn least(&self) -> f64 {
        self.least
    }

    fn simulate(&mut self, genome: Option<Genome>, plan: &Plan) -> Result<f64, SimError> {
        if let Some(refusal) = self.beyond(plan) {
            let nearest = self.refused.as_ref();
            if nearest.is_none_or(|(least, _)| refusal.0 < *least) {
                self.refused = Some(refusal);
            }
            return Ok(f64::INFINITY);
        }
        let figures = self.space.figures(plan, self.power())?;
        let cost = cost(&figures, self.goal);
        self.simulated += 1;
        self.least = self.least.min(cost);
        self.judged.push((cost, genome, figures));
        Ok(cost)
    }

    /// The cost of the plan of `genome` for `rows` rows; infinite when there is none.
    pub fn judge_genome(&mut self, genome: &Genome, rows: usize) -> Result<f64, SimError> {
        match genome.plan(self.space, rows) {
            Some(plan) => self.judge(Some(genome.clone()), plan),
            None => Ok(f64::INFINITY),
        }
    }

    /// The best so far, as points of the space: one for each cut, set of devices and mode, since steps lead from one of
    /// these to another only through what is worse.
    pub fn starts(&mut self, count: usize) -> Vec<Genome> {
        self.judged.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut kinds = HashSet::new();
        let best = self.judged.iter().filter_map(|(_, genome, _)| {
            let genome = genome.as_ref()?;
            let kind = (genome.way, genome.gpu, genome.r_d.len(), genome.mode);
            kinds.insert(kind).then(|| genome.clone())
        });
        best.take(count).collect()
    }

    /// The limit that `plan` exceeds, and by what factor.
    fn beyond(&self, plan: &Plan) -> Option<(f64, Infeasible)> {
        let (memory, engines) = (self.space.memory(plan), self.space.engines(plan));
        let (rows, plan) = (plan.total(), plan.clone());
        match (self.space.limits.memory, self.space.limits.engines) {
            (Some(asked), _) if memory > asked => Some((
                memory as f64 / asked.max(1) as f64,
                Infeasible::Memory {
                    rows,
                    asked,
                    nearest: memory,
                    plan,
                },
            )),
            (_, Some(asked)) if engines > asked => Some((
                engines as f64 / asked.max(1) as f64,
                Infeasible::Engines {
                    rows,
                    asked,
                    nearest: engines,
                    plan,
                },
            )),
            _ => None,
        }
    }

    fn power(&self) -> Option<Power> {
        match self.goal {
            Goal::Energy(power) => Some(*power),
            Goal::Throughput | Goal::Latency { .. } => None,
        }
    }

    /// The best plans; with a latency bound, those that keep it in 99 of 100 runs.
    pub fn finish(
        mut self,
        bound: Bound,
        estimated: usize,
        exhaustive: bool,
    ) -> Result<SearchOutcome, SearchError> {
        self.judged.sort_by(|a, b| a.0.total_cmp(&b.0));
        let least = self.judged.first().map_or(f64::INFINITY, |(cost, ..)| *cost);
        let equal = self
            .judged
            .partition_point(|(cost, ..)| *cost <= least * (1.0 + EQUAL));
        self.judged[..equal].sort_by_key(|judged| judged.2.engines);
        let mut best: Vec<Figures> = Vec::new();
        for (_, _, figures) in self.judged {
            if best.len() == KEPT {
                break;
            }
            let again = best.iter().any(|kept| kept.plan == figures.plan);
            let alike = best.iter().filter(|kept| alike(kept, &figures)).count();
            if !again && alike < ALIKE {
                best.push(figures);
            }
        }
        if best.is_empty() {
            let refused = self.refused.map(|(_, infeasible)| infeasible);
            return Err(refused.map_or(SimError::NoProgress.into(), SearchError::from));
        }
        if let Goal::Latency { p99_ms } = self.goal {
            best = self.space.within(best, *p99_ms)?;
        }
        Ok(SearchOutcome {
            best,
            bound,
            estimated,
            simulated: self.simulated,
            exhaustive,
        })
    }
}

/// Whether two plans differ only in how the suffix runs.
fn alike(one: &Figures, other: &Figures) -> bool {
    (&one.plan.cut, &one.plan.prefix) == (&other.plan.cut, &other.plan.prefix)
}

fn cost(figures: &Figures, goal: &Goal) -> f64 {
    let time = 1e6 / figures.rows_per_second;
    match goal {
        Goal::Throughput | Goal::Latency { .. } => time,
        Goal::Energy(_) => figures.joules_per_row.unwrap_or(f64::INFINITY),
    }
}

impl Space<'_> {
    /// Simulates `plan`.
    ///
    /// # Errors
    /// [`SimError`] when the costs know no time for one of its executions.
    pub fn figures(&self, plan: &Plan, power: Option<Power>) -> Result<Figures, SimError> {
        let run = self.run(plan, Noise::NONE)?;
        Ok(Figures {
            rows_per_second: run.rate(),
            latency_ms: run.makespan_us / 1e3,
            p99_ms: None,
            joules_per_row: power.map(|power| power.joules(&run) / run.rows as f64),
            memory: self.memory(plan),
            engines: self.engines(plan),
            plan: plan.clone(),
        })
    }

    /// One simulated run.
    ///
    /// # Errors
    /// As [`Space::figures`].
    pub fn run(&self, plan: &Plan, noise: Noise) -> Result<SimulatedRun, SimError> {
        let way = self.way(plan);
        let flow = match way {
            None => Flow::Whole,
            Some(way) if way.suffix => Flow::PrefixSuffix,
            Some(_) => Flow::Prefix,
        };
        simulate(plan, flow, way.map_or(self.whole, |way| way.costs), noise)
    }

    /// Milliseconds in which 99 of 100 runs with jitter end.
    ///
    /// # Errors
    /// As [`Space::figures`].
    pub fn p99_ms(&self, plan: &Plan) -> Result<f64, SimError> {
        let mut times = Vec::new();
        for seed in 0..RUNS {
            let noise = Noise::new(self.jitter, seed)?;
            times.push(self.run(plan, noise)?.makespan_us / 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() * 99 / 100 - 1])
    }

    /// Those of `best` that keep the bound.
    fn within(&self, mut best: Vec<Figures>, asked: f64) -> Result<Vec<Figures>, SearchError> {
        for figures in &mut best {
            figures.p99_ms = Some(self.p99_ms(&figures.plan)?);
        }
        let p99 = |figures: &Figures| figures.p99_ms.unwrap_or(f64::INFINITY);
        let fastest = best.iter().min_by(|a, b| p99(a).total_cmp(&p99(b))).cloned();
        best.retain(|figures| p99(figures) <= asked);
        match (best.is_empty(), fastest) {
            (true, Some(fastest)) => Err(SearchError::Infeasible(Infeasible::Latency {
                rows: fastest.plan.total(),
                asked,
                nearest: p99(&fastest),
                plan: fastest.plan,
            })),
            _ => Ok(best),
        }
    }
}

impl Power {
    fn joules(&self, run: &SimulatedRun) -> f64 {
        let busy = run.devices.iter().map(|(device, used)| match device {
            Device::Gpu => self.gpu * used.busy_us,
            Device::Dla(_) => self.dla * used.busy_us,
        });
        (self.idle * run.makespan_us + busy.sum::<f64>()) / 1e6
    }
}
