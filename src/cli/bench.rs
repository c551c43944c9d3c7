//! `tvm-dla bench`: figures are ratios taken in one run, plans in turn, so that a noisy machine hurts all alike.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;

use super::around::network;
use super::costs::{Costs, costs};
use super::engines::Engines;
use super::inputs::{self, repeat};
use super::model::preprocess;
use super::output::{Output, counted, table};
use super::{Answer, Outcome};
use crate::artifact::Artifact;
use crate::engine::Array;
use crate::pipeline::Stats;
use crate::plan::Plan;
use crate::session::{ChosenPlan, Outcome as Ran, PlanOrigin, Session, SessionError};

#[derive(Args)]
pub struct Arguments {
    /// What tvmc wrote (.tar), a shared library (.so), or a bundle; with one network for dla
    artifact: PathBuf,
    /// Rows per batch
    #[arg(long, default_value_t = 512, value_parser = crate::cli::rows::one)]
    batch: u32,
    /// Pictures or arrays to run, repeated in turn to the batch (default: noise)
    #[arg(long, short, num_args = 1..)]
    input: Vec<PathBuf>,
    /// How pictures become input (default: the artifact's)
    #[arg(long)]
    preprocess: Option<String>,
    /// Runs of each plan
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Also measure what running at the same time costs, and the runtime's own time
    #[arg(long)]
    costs: bool,
    #[command(flatten)]
    engines: Engines,
}

/// Median, smallest and largest of several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

#[derive(Serialize)]
pub(super) struct MeasuredRow {
    plan: String,
    plan_from: PlanOrigin,
    pub images_per_second: Spread,
    /// Of the run with the median rate.
    stats: Stats,
}

#[derive(Serialize)]
struct Figures {
    artifact: PathBuf,
    devices: String,
    rows: usize,
    /// The best plan of the GPU alone.
    gpu_only: MeasuredRow,
    /// What a plain run takes, and follows what batches take if it may.
    shared: MeasuredRow,
    /// The best plan that is known.
    best: MeasuredRow,
    /// Of a plain run over the GPU alone.
    ratio: f64,
    costs: Option<Costs>,
}

pub fn run(arguments: &Arguments, output: &Output, cancel: Arc<AtomicBool>) -> Outcome {
    let artifact = Artifact::read(&arguments.artifact)?;
    let session = arguments.engines.session(
        network(&artifact, output)?.clone(),
        &arguments.artifact,
        cancel,
        output,
    )?;
    let rows = arguments.batch as usize;
    let missing = arguments.engines.unplanned(&session, rows);
    missing.iter().for_each(|remark| output.say(remark));
    let plans = [
        Row::Fixed(session.gpu_alone(rows)?, PlanOrigin::Asked),
        Row::Plain,
        Row::of(session.best_known(rows)?),
    ];
    let inputs = if arguments.input.is_empty() {
        noise(&session, rows)
    } else {
        given(arguments, &artifact, &session, output)?
    };
    let bar = output.progress(arguments.repeats as usize * 3 + 3, "measuring");
    let [alone, shared, best] = in_turn(&session, &plans, &inputs, arguments.repeats, || bar.inc(1))?;
    bar.finish_and_clear();
    let costs = if arguments.costs {
        Some(costs(&session, arguments.repeats, output)?)
    } else {
        None
    };
    let names: Vec<String> = session.devices().iter().map(|d| d.to_string()).collect();
    let figures = Figures {
        artifact: arguments.artifact.clone(),
        devices: format!("{} {}", names.join(" + "), session.backend().describe()),
        rows,
        ratio: shared.images_per_second.median / alone.images_per_second.median,
        gpu_only: alone,
        shared,
        best,
        costs,
    };
    output.answer(&figures, || human(&figures), Answer::Yes)
}

/// What is measured.
pub(super) enum Row {
    /// Always this plan.
    Fixed(Plan, PlanOrigin),
    /// Whatever the session takes.
    Plain,
}

impl Row {
    fn of(chosen: ChosenPlan) -> Row {
        Row::Fixed(chosen.plan, chosen.origin)
    }

    fn run(&self, session: &Session, inputs: &[Array]) -> Result<Ran, SessionError> {
        match self {
            Row::Fixed(plan, origin) => Ok(Ran {
                origin: origin.clone(),
                ..session.run_with(plan, inputs)?
            }),
            Row::Plain => session.run(inputs),
        }
    }
}

/// Runs every plan once to warm up, then all of them `repeats` times, one after the other.
pub(super) fn in_turn<const N: usize>(
    session: &Session,
    rows: &[Row; N],
    inputs: &[Array],
    repeats: u32,
    step: impl Fn(),
) -> Result<[MeasuredRow; N], Box<dyn Error>> {
    let mut runs: Vec<Vec<Ran>> = vec![Vec::new(); N];
    for round in 0..=repeats {
        for (row, runs) in rows.iter().zip(&mut runs) {
            let mut ran = row.run(session, inputs)?;
            ran.outputs.clear();
            if round > 0 {
                runs.push(ran);
            }
            step();
        }
    }
    let mut measured = runs.into_iter().map(|mut runs| {
        let rates: Vec<f64> = runs.iter().map(|ran| ran.stats.rate()).collect();
        let last = runs.last().map(|ran| (ran.plan.to_string(), ran.origin.clone()));
        let (plan, plan_from) = last.expect("at least one run");
        runs.sort_by(|a, b| a.stats.rate().total_cmp(&b.stats.rate()));
        MeasuredRow {
            plan,
            plan_from,
            images_per_second: spread(rates),
            stats: runs.swap_remove(runs.len() / 2).stats,
        }
    });
    Ok(std::array::from_fn(|_| measured.next().expect("one per plan")))
}

/// The user's rows, repeated in turn to the batch.
fn given(
    arguments: &Arguments,
    artifact: &Artifact,
    session: &Session,
    output: &Output,
) -> Result<Vec<Array>, Box<dyn Error>> {
    let ports = inputs::of_session(session);
    let how = preprocess(arguments.preprocess.as_deref(), artifact)?;
    let batch = inputs::read(&arguments.input, &ports, how.as_ref(), output)?;
    let rows = arguments.batch as usize;
    Ok(batch.arrays.iter().map(|a| repeat(a, rows)).collect())
}

/// Seeded rows between -1 and 1: what is computed does not matter here, but zeros would be a special case.
pub(super) fn noise(session: &Session, rows: usize) -> Vec<Array> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let shapes = session.input_shapes(rows).into_iter();
    shapes
        .map(|shape| {
            let count = shape.iter().product();
            Array {
                shape,
                data: Arc::new(std::iter::repeat_with(&mut next).take(count).collect()),
            }
        })
        .collect()
}

pub(super) fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    Spread {
        median: values[values.len() / 2],
        min: values[0],
        max: values[values.len() - 1],
    }
}

fn human(figures: &Figures) -> String {
    let row = |name: &str, measured: &MeasuredRow, from: &str| {
        let rate = measured.images_per_second;
        vec![
            name.to_string(),
            format!("{:.1} images/s", rate.median),
            format!("({:.1} to {:.1})", rate.min, rate.max),
            measured.plan.clone(),
            from.to_string(),
        ]
    };
    let mut lines = vec![
        format!("devices    {}", figures.devices),
        table(&[
            row("GPU alone", &figures.gpu_only, ""),
            row(
                "plain run",
                &figures.shared,
                &figures.shared.plan_from.to_string(),
            ),
            row("best known", &figures.best, &figures.best.plan_from.to_string()),
        ]),
        format!(
            "ratio      {:.2} at {}; this is not a figure of a board",
            figures.ratio,
            counted(figures.rows, "row")
        ),
    ];
    let busy = figures.shared.stats.devices.iter().map(|(device, stats)| {
        let share = 100.0 * stats.busy / figures.shared.stats.seconds;
        format!("{device} {}, {share:.0} % busy", counted(stats.rows, "row"))
    });
    lines.push(format!("shares     {}", busy.collect::<Vec<_>>().join("; ")));
    if let Some(costs) = &figures.costs {
        lines.push(format!(
            "costs      gpu and dla0 at once: {:.3} of the sum of each alone; runtime beyond the engine: {:.0} us at 1 row, {:.0} us ({:.2} %) at 64",
            costs.co_execution,
            costs.overhead_us_1.median,
            costs.overhead_us_64.median,
            100.0 * costs.overhead_share_64
        ));
    }
    lines.join("\n")
}
