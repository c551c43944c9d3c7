//! `tvm-dla tune ARTIFACT`: plans for a network.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::log_file::LogFile;
use super::measured::Bench;
use super::{boarded, Arguments, Batch, Strategy};
use crate::artifact::{beside, Artifact};
use crate::cli::output::{table, Output};
use crate::cli::{helped, Answer, Outcome};
use crate::engine::StageKind;
use crate::plan::{Plan, PlanFile};
use crate::session::Session;
use crate::sim::{Costs, Noise};
use crate::trace::Timeline;
use crate::tune::measure::Head;
use crate::tune::search::{self, Bound, Figures, Found, Goal, Limits, SearchError, Space};
use crate::tune::{Row, Sites, TuneReport};

/// Everything that was found.
#[derive(Serialize)]
pub struct Tuned {
    pub artifact: PathBuf,
    pub network: String,
    pub board: String,
    /// Where figures come from.
    pub origin: String,
    pub goal: Goal,
    pub points: Vec<Point>,
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
    pub measured: Vec<Measured>,
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
pub struct Measured {
    #[serde(skip)]
    pub plan: Plan,
    #[serde(rename = "plan")]
    pub text: String,
    pub rows_per_second: f64,
    /// The interval that holds the median rate 19 times of 20.
    pub low: f64,
    pub high: f64,
    pub worst_ms: f64,
    pub runs: usize,
}

pub fn run(
    arguments: &Arguments,
    path: &std::path::Path,
    output: &Output,
    cancel: Arc<AtomicBool>,
) -> Outcome {
    if arguments.engines.plan.is_some() {
        return Err(helped(
            "tune finds a plan, and takes none",
            "leave --plan out",
        ));
    }
    let mut tuned = match arguments.board.place(arguments.engines.numbers.precision)? {
        Some(place) => boarded::tuned(arguments, &place, path)?,
        None => measured(arguments, path, output, cancel)?,
    };
    report(arguments, &tuned)?;
    tuned.file = write(arguments, path, &tuned)?;
    if let Some(file) = &tuned.file {
        output.say(&format!("wrote {}", file.display()));
    }
    output.answer(&tuned, || human(&tuned), Answer::Yes)
}

fn measured(
    arguments: &Arguments,
    path: &std::path::Path,
    output: &Output,
    cancel: Arc<AtomicBool>,
) -> Result<Tuned, Box<dyn Error>> {
    let goal = arguments.goal()?;
    let bundle = Artifact::read(path)?.whole()?.clone();
    let digest = crate::bundle::digest(&bundle.graph);
    let (graph, options) = (bundle.graph.clone(), bundle.options.clone());
    let session = arguments.engines.untuned(bundle, cancel)?;
    refuse_fixed(&session)?;
    let board = session.backend().name().to_string();
    let origin = session.backend().describe();
    let head = Head::new(digest.clone(), board.clone(), origin.clone());
    let place = arguments
        .log
        .clone()
        .unwrap_or_else(|| path.with_extension("tune.jsonl"));
    let mut bench = Bench {
        log: LogFile::open(&place, &head)?,
        session: &session,
        output,
    };
    let sites = Sites::of(&graph, &options, 4, false)?;
    let limits = arguments.limits(available());
    let most = arguments.most_rows();
    let sizes = sites.space(&Nothing, [&Nothing as &dyn Costs], &session.devices());
    let fits = |stage: StageKind, batch: usize| {
        let bytes = match (stage, sizes.ways.first()) {
            (StageKind::Prefix, Some(way)) => way.prefix_bytes.engine(batch),
            (StageKind::Suffix, Some(way)) => way.suffix_bytes.engine(batch),
            (StageKind::Whole | StageKind::Prefix | StageKind::Suffix, _) => {
                sizes.whole_bytes.engine(batch)
            }
        };
        limits.memory.is_none_or(|memory| bytes <= memory)
    };
    let costs = bench.profile(most, fits)?;
    let space = Space {
        limits,
        ..sites.space(&costs, [&costs as &dyn Costs], &session.devices())
    };
    let mut points = Vec::new();
    let origin = format!("measured; devices {origin}");
    for point in searched(arguments, &space, &goal)? {
        let count = if point.strategy == Strategy::Search.name() {
            arguments.measure
        } else {
            1
        };
        points.push(bench.best(&space, point, &goal, count)?);
    }
    Ok(Tuned {
        artifact: path.to_path_buf(),
        network: digest,
        timeline: picture(&space, &points)?,
        origin,
        board,
        goal,
        points,
        file: None,
    })
}

/// A simulated run of the search's plan for the most rows.
pub fn picture(space: &Space<'_>, points: &[Point]) -> Result<Option<Timeline>, Box<dyn Error>> {
    let chosen = points
        .iter()
        .filter(|p| p.strategy == Strategy::Search.name());
    let Some(point) = chosen.max_by_key(|p| p.batch) else {
        return Ok(None);
    };
    let run = space.run(&point.plan, Noise::NONE)?;
    Ok(Some(
        run.timeline(&format!("{} rows, simulated", point.batch)),
    ))
}

/// Writes the report and the CSV that were asked for.
fn report(arguments: &Arguments, tuned: &Tuned) -> Result<(), Box<dyn Error>> {
    let row = |point: &Point| Row {
        batch: point.batch,
        strategy: point.strategy.to_string(),
        plan: point.text.clone(),
        rows_per_second: point.rows_per_second,
        latency_ms: point.p99_ms.unwrap_or(point.latency_ms),
        joules_per_row: point.joules_per_row,
        bound: point.bound.rows_per_second(),
        over_gpu_only: point.over_gpu_only,
    };
    let report = TuneReport {
        title: format!("Plans for {}", tuned.artifact.display()),
        label: tuned.origin.clone(),
        goal: tuned.goal.to_string(),
        rows: tuned.points.iter().map(row).collect(),
        timeline: tuned.timeline.clone(),
    };
    for (path, text) in [
        (&arguments.report, report.to_html()),
        (&arguments.csv, report.to_csv()),
    ] {
        if let Some(path) = path {
            std::fs::write(path, text).map_err(|error| {
                helped(
                    format!("cannot write {}: {error}", path.display()),
                    "name another place",
                )
            })?;
        }
    }
    Ok(())
}

fn refuse_fixed(session: &Session) -> Result<(), Box<dyn Error>> {
    match session.fixed_because() {
        None => Ok(()),
        Some(reason) => Err(helped(
            format!(
                "there is nothing to tune: this network runs only at its compiled batch ({reason})"
            ),
            "compile it with a batch dimension that its operators keep apart",
        )),
    }
}

/// Stands for costs where only sizes are asked for.
struct Nothing;

impl Costs for Nothing {
    fn execution(
        &self,
        _: StageKind,
        _: crate::plan::Device,
        _: usize,
    ) -> Result<crate::sim::ExecutionCost, String> {
        Err("no times are known".to_string())
    }

    fn slow_down(&self, demands: &[(crate::plan::Device, f64)]) -> Vec<f64> {
        vec![1.0; demands.len()]
    }

    fn host(&self, _: bool) -> crate::sim::HostCosts {
        crate::sim::HostCosts::default()
    }
}

/// Every batch with every strategy, by simulation.
pub fn searched(
    arguments: &Arguments,
    space: &Space<'_>,
    goal: &Goal,
) -> Result<Vec<Point>, Box<dyn Error>> {
    let mut points = Vec::new();
    for &strategy in &arguments.strategy {
        match (&arguments.batch, strategy) {
            (Batch::Any, Strategy::Search) => {
                let start = Instant::now();
                let (found, _) =
                    search::search_any(space, search::MOST_ROWS, goal).map_err(refusal)?;
                points.push(Point::new(space, strategy, found, start.elapsed())?);
            }
            (Batch::Any, _) => {
                return Err(helped(
                    format!("--strategy {} needs a batch", strategy.name()),
                    "give --batch a number",
                ))
            }
            (Batch::Of(batches), _) => {
                for &batch in batches {
                    let start = Instant::now();
                    let found = strategic(space, strategy, batch, goal)?;
                    points.push(Point::new(space, strategy, found, start.elapsed())?);
                }
            }
        }
    }
    points.sort_by_key(|point| point.batch);
    Ok(points)
}

fn strategic(
    space: &Space<'_>,
    strategy: Strategy,
    batch: usize,
    goal: &Goal,
) -> Result<Found, Box<dyn Error>> {
    let found = match strategy {
        Strategy::Exhaustive => search::exhaustive(space, batch, goal),
        Strategy::Search | Strategy::Kcc2020 | Strategy::Paper | Strategy::Single => {
            search::search(space, batch, goal)
        }
    };
    let found = found.map_err(refusal)?;
    let plan = match strategy {
        Strategy::Search | Strategy::Exhaustive => return Ok(found),
        Strategy::Kcc2020 => search::kcc(space, batch)?,
        Strategy::Paper => search::paper(space, batch)?,
        Strategy::Single => search::gpu_only(space, batch)?,
    };
    let power = match goal {
        Goal::Energy(power) => Some(*power),
        Goal::Throughput | Goal::Latency { .. } => None,
    };
    Ok(Found {
        best: vec![space.figures(&plan, power)?],
        ..found
    })
}

fn refusal(error: SearchError) -> Box<dyn Error> {
    match &error {
        SearchError::Infeasible(infeasible) => helped(infeasible.to_string(), infeasible.help()),
        SearchError::Sim(_) => error.into(),
    }
}

impl Point {
    fn new(
        space: &Space<'_>,
        strategy: Strategy,
        found: Found,
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
    pub fn take(
        &mut self,
        space: &Space<'_>,
        measured: Vec<Measured>,
    ) -> Result<(), Box<dyn Error>> {
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
        }
        self.measured = measured;
        Ok(())
    }
}

/// Writes the plans of the search beside the artifact, or where the user says.
fn write(
    arguments: &Arguments,
    path: &std::path::Path,
    tuned: &Tuned,
) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let chosen = tuned
        .points
        .iter()
        .filter(|p| p.strategy == Strategy::Search.name());
    let plans: Vec<Plan> = chosen.map(|p| p.plan.clone()).collect();
    if plans.is_empty() {
        return Ok(None);
    }
    let file = arguments.output.clone().unwrap_or_else(|| beside(path));
    let content = PlanFile::new(
        tuned.network.clone(),
        tuned.board.clone(),
        tuned.goal.to_string(),
        plans,
    );
    let text = serde_json::to_string_pretty(&content)?;
    std::fs::write(&file, text + "\n").map_err(|error| {
        helped(
            format!("cannot write {}: {error}", file.display()),
            "name another place with --output",
        )
    })?;
    Ok(Some(file))
}

fn human(tuned: &Tuned) -> String {
    let head = [
        "batch",
        "strategy",
        "images/s",
        "of the bound",
        "over the GPU alone",
        "ms",
        "plan",
    ];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    rows.extend(tuned.points.iter().map(|point| {
        vec![
            point.batch.to_string(),
            point.strategy.to_string(),
            format!("{:.1}", point.rows_per_second),
            format!("{:.1} %", 100.0 * point.of_bound),
            format!("{:.2}", point.over_gpu_only),
            format!("{:.1}", point.p99_ms.unwrap_or(point.latency_ms)),
            point.text.clone(),
        ]
    }));
    format!("{}\n{}", tuned.origin, table(&rows))
}

/// Limits are taken from here so that `--help` shows them together.
impl Arguments {
    pub fn goal(&self) -> Result<Goal, Box<dyn Error>> {
        match (self.goal, self.power) {
            (super::GoalName::Throughput, _) => Ok(Goal::Throughput),
            (super::GoalName::Latency(p99_ms), _) => Ok(Goal::Latency { p99_ms }),
            (super::GoalName::Energy, Some(power)) => Ok(Goal::Energy(power)),
            (super::GoalName::Energy, None) => Err(helped(
                "the goal energy needs to know what the board takes",
                "give --power idle=W,gpu=W,dla=W, as measured with the board's sensors",
            )),
        }
    }

    /// The limits asked for; `memory` where none was.
    pub fn limits(&self, memory: Option<u64>) -> Limits {
        Limits {
            memory: self.memory.map(|bytes| bytes.0).or(memory),
            engines: self.max_engines,
        }
    }

    fn most_rows(&self) -> usize {
        match &self.batch {
            Batch::Any => search::MOST_ROWS,
            Batch::Of(batches) => batches.iter().copied().max().unwrap_or(1),
        }
    }
}

/// Memory that this machine has left, in bytes.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
