//! Tuning on the devices themselves, and measuring what was predicted elsewhere.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Arguments;
use super::bench::Bench;
use super::found::{Point, TuneOutcome};
use super::log_file::LogFile;
use super::power::Meter;
use super::refined::Field;
use super::searched::{picture, searched};
use super::values::{GoalName, Strategy};
use crate::artifact::Artifact;
use crate::bundle::{Bundle, digest};
use crate::cli::around::network;
use crate::cli::output::Output;
use crate::engine::StageKind;
use crate::machine::memory;
use crate::plan::Device;
use crate::session::Session;
use crate::sim::{Costs, ExecutionCost};
use crate::tune::Sites;
use crate::tune::measure::Head;
use crate::tune::search::{Goal, Space};

/// Plans of a search that are measured where nobody says how many.
const MEASURED: usize = 4;

/// Measures plans of an artifact.
pub struct Confirm<'a> {
    pub arguments: &'a Arguments,
    pub path: &'a Path,
    pub output: &'a Output,
    pub cancel: Arc<AtomicBool>,
}

impl Confirm<'_> {
    /// The network.
    pub fn bundle(&self) -> Result<Bundle, Box<dyn Error>> {
        Ok(network(&Artifact::read(self.path)?, self.output)?.clone())
    }

    /// Lets the best of what `oracle`, a model or a table, predicted run on the devices, if that was asked for.
    pub fn confirmed(
        &self,
        bundle: Bundle,
        space: &Space<'_>,
        oracle: &str,
        mut tuned: TuneOutcome,
    ) -> Result<TuneOutcome, Box<dyn Error>> {
        let Some(count) = self.arguments.measure.filter(|count| *count > 0) else {
            return Ok(tuned);
        };
        let session = self.session(bundle)?;
        let mut bench = self.bench(&session, &tuned.network, None)?;
        let points = tuned.points.into_iter();
        let points = points.map(|point| bench.best(space, point, &tuned.goal, count));
        tuned.points = points.collect::<Result<_, _>>()?;
        tuned.timeline = picture(space, &tuned.points)?;
        tuned.board = session.backend().name().to_string();
        let devices = session.backend().describe();
        tuned.origin = format!("measured, after a prediction by {oracle}; devices {devices}");
        Ok(tuned)
    }

    fn session(&self, bundle: Bundle) -> Result<Session, Box<dyn Error>> {
        let engines = &self.arguments.engines;
        engines.untuned(bundle, self.cancel.clone())
    }

    /// Energies have a log of their own: they depend on the rails that were asked for.
    fn bench<'s>(
        &'s self,
        session: &'s Session,
        network: &str,
        meter: Option<Meter>,
    ) -> Result<Bench<'s>, Box<dyn Error>> {
        let (name, devices) = (session.backend().name(), session.backend().describe());
        let (options, end) = match &meter {
            None => (devices, "tune.jsonl"),
            Some(meter) => (
                format!("{devices}; power of {}", meter.describe()),
                "energy.jsonl",
            ),
        };
        let head = Head::new(network.to_string(), name.to_string(), options);
        let asked: Option<PathBuf> = self.arguments.log.clone();
        let place = asked.unwrap_or_else(|| self.path.with_extension(end));
        Ok(Bench {
            log: LogFile::open(&place, &head)?,
            session,
            output: self.output,
            meter,
        })
    }
}

/// Measures the engines, searches with their times, and measures the best plans.
pub fn tuned(confirm: &Confirm<'_>) -> Result<TuneOutcome, Box<dyn Error>> {
    let arguments = confirm.arguments;
    let meter = match (arguments.goal, arguments.power.given()) {
        (GoalName::Energy, None) => Some(arguments.power.meter()?),
        (GoalName::Energy | GoalName::Throughput | GoalName::Latency(_), _) => None,
    };
    let bundle = confirm.bundle()?;
    let network = digest(&bundle.graph);
    let sites = Sites::of(&bundle.graph, &bundle.options, 4, false)?;
    let session = confirm.session(bundle)?;
    let mut bench = confirm.bench(&session, &network, meter)?;
    let limits = arguments.limits(memory(Path::new("/")));
    let sizes = sites.space(&Nothing, [&Nothing as &dyn Costs], &session.devices());
    let unit = session.unit();
    let fits = |device: Device, stage: StageKind, batch: usize| {
        let most = match (device, sizes.ways.first()) {
            (Device::Dla(_), Some(way)) => way.dla_rows,
            (Device::Dla(_) | Device::Gpu, _) => usize::MAX,
        };
        let bytes = match (stage, sizes.ways.first()) {
            (StageKind::Prefix, Some(way)) => way.prefix_bytes.engine(batch),
            (StageKind::Suffix, Some(way)) => way.suffix_bytes.engine(batch),
            (StageKind::Whole | StageKind::Prefix | StageKind::Suffix, _) => sizes.whole_bytes.engine(batch),
        };
        let whole = unit.is_none_or(|unit| batch == unit);
        whole && batch <= most && limits.memory.is_none_or(|memory| bytes <= memory)
    };
    bench.profile(arguments.most_rows(), fits)?;
    let goal = match bench.power()? {
        Some(power) => Goal::Energy(power),
        None => arguments.goal()?,
    };
    let field = Field {
        sites: &sites,
        limits,
        goal: &goal,
        count: arguments.measure.unwrap_or(MEASURED),
    };
    let costs = bench.costs(0, 0);
    let space = field.space(&costs, &session);
    let mut points: Vec<Point> = Vec::new();
    let found = searched(arguments, &space, &goal, confirm.output)?;
    for point in found.points {
        points.push(if point.strategy == Strategy::Search.name() {
            let first = bench.best(&space, point, &goal, field.count)?;
            field.refined(&mut bench, first)?
        } else {
            bench.best(&space, point, &goal, 1)?
        });
    }
    Ok(TuneOutcome {
        artifact: confirm.path.to_path_buf(),
        network,
        board: session.backend().name().to_string(),
        timeline: picture(&space, &points)?,
        origin: format!("measured; devices {}", session.backend().describe()),
        goal,
        points,
        infeasible: found.infeasible,
        file: None,
    })
}

/// Stands for costs where only sizes are asked for.
struct Nothing;

impl Costs for Nothing {
    fn execution(&self, _: StageKind, _: Device, _: usize) -> Result<ExecutionCost, String> {
        Err("no times are known".to_string())
    }
}
