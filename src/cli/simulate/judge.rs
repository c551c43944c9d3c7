//! `tvm-dla simulate --plan`: one plan beside the GPU alone and the best that is found.

use std::error::Error;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Arguments, accuracy};
use crate::artifact::{Plans, is_file};
use crate::board::{Accuracy, FittedModel};
use crate::cli::board::BoardScenario;
use crate::cli::helped;
use crate::cli::output::{Output, table};
use crate::cli::{Answer, Outcome};
use crate::plan::{Device, Plan, counted};
use crate::sim::{Choice, EQUAL, Noise, best, simulate};

#[derive(Serialize)]
struct JudgeReport {
    /// Always true: no figure here was measured.
    simulated: bool,
    artifact: PathBuf,
    board: String,
    power_mode: String,
    rows: usize,
    plan: Figure,
    gpu_only: Figure,
    best: Figure,
    over_gpu_only: f64,
    over_best: f64,
    /// It is slower than the GPU alone.
    loses: bool,
    accuracy: Vec<Accuracy>,
}

#[derive(Serialize, Clone)]
struct Figure {
    plan: String,
    images_per_second: f64,
    latency_ms: f64,
}

pub fn run(arguments: &Arguments, text: &str, output: &Output) -> Outcome {
    let noise = Noise::new(arguments.jitter, arguments.seed)?;
    let plan = read(text)?;
    let (path, place) = (&arguments.artifact, &arguments.place);
    let own = place.load_cut(path, &plan.cut, output)?;
    check(&plan, &own)?;
    let longest = place.load(path, output)?;
    let judged = figure(&plan, &own, noise)?;
    let rows = plan.total();
    let find = |choice| -> Result<Figure, Box<dyn Error>> {
        let (plan, _) = best(&longest.network, choice, rows, &longest.costs, noise)?;
        figure(&plan, &longest, noise)
    };
    let gpu_only = find(Choice::GpuOnly)?;
    let mut found = gpu_only.clone();
    for choice in longest.network.choices() {
        let other = find(choice)?;
        if other.images_per_second > found.images_per_second {
            found = other;
        }
    }
    if judged.images_per_second > found.images_per_second {
        found = judged.clone();
    }
    let over = |other: &Figure| judged.images_per_second / other.images_per_second;
    let answered = JudgeReport {
        simulated: true,
        artifact: path.clone(),
        board: own.machine.board.title.to_string(),
        power_mode: own.machine.mode.name.to_string(),
        rows,
        over_gpu_only: over(&gpu_only),
        over_best: over(&found),
        loses: over(&gpu_only) < 1.0 - EQUAL,
        plan: judged,
        gpu_only,
        best: found,
        accuracy: FittedModel::stored().accuracy,
    };
    output.answer(&answered, || human(&answered), Answer::Yes)
}

fn read(text: &str) -> Result<Plan, Box<dyn Error>> {
    if !is_file(text) {
        return Ok(text.parse()?);
    }
    match Plans::read(Path::new(text))? {
        Plans::One(plan) => Ok(plan),
        Plans::Tuned(_) => Err(helped(
            format!("{text} has plans of a tuning"),
            "name one of them as text; `tvm-dla tune` prints them",
        )),
    }
}

/// What this board and network can run.
fn check(plan: &Plan, boarded: &BoardScenario) -> Result<(), Box<dyn Error>> {
    let mut devices = vec![Device::Gpu];
    if boarded.network.prefix {
        devices.extend(boarded.network.dlas.iter().copied());
    }
    plan.validate(plan.total(), &devices)?;
    let unit = boarded.network.unit;
    let shares = plan.prefix.iter().map(|share| share.batch);
    let mut batches = shares.chain([plan.suffix_batch]);
    if let Some(unit) = unit.filter(|unit| batches.any(|batch| batch != *unit)) {
        return Err(format!(
            "this network runs only in batches of {unit}, not as {plan}: its rows cannot be proved apart"
        )
        .into());
    }
    let most = boarded.most_dla_rows;
    let large = |share: &&crate::plan::Share| share.device != Device::Gpu && share.batch > most;
    match plan.prefix.iter().find(large) {
        Some(share) => Err(format!(
            "the plan gives {} batches of {}, but it takes {most} at most",
            share.device,
            counted(share.batch, "row")
        )
        .into()),
        None => Ok(()),
    }
}

fn figure(plan: &Plan, boarded: &BoardScenario, noise: Noise) -> Result<Figure, Box<dyn Error>> {
    let flow = boarded.network.flow(plan);
    let run = simulate(plan, flow, &boarded.costs, noise)?;
    Ok(Figure {
        plan: plan.to_string(),
        images_per_second: run.rate(),
        latency_ms: run.makespan_us / 1e3,
    })
}

fn human(judged: &JudgeReport) -> String {
    let row = |name: &str, figure: &Figure| {
        vec![
            name.to_string(),
            format!("{:.1} images/s", figure.images_per_second),
            format!("{:.2} ms", figure.latency_ms),
            figure.plan.clone(),
        ]
    };
    let rows = [
        row("this plan", &judged.plan),
        row("GPU only", &judged.gpu_only),
        row("best found", &judged.best),
    ];
    let verdict = if judged.loses {
        "LOSES to the GPU alone"
    } else {
        "not slower than the GPU alone"
    };
    format!(
        "simulated, not measured: {} in mode {}, {}\n\n{}\n\nthis plan reaches {:.3} of the GPU alone and {:.3} of the best found: {verdict}\n\n{}",
        judged.board,
        judged.power_mode,
        counted(judged.rows, "row"),
        table(&rows),
        judged.over_gpu_only,
        judged.over_best,
        accuracy(&judged.accuracy)
    )
}
