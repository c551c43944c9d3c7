//! One network's rates at each batch size, simulated or measured.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::artifact::Artifact;
use crate::cli::bench::noise;
use crate::cli::board::BoardScenario;
use crate::cli::engines::Engines;
use crate::plan::Plan;
use crate::report::Bar;
use crate::session::Session;
use crate::sim::{Choice, Noise, best};

/// Each choice with the best plan found.
pub fn simulated(boarded: &BoardScenario, batches: &[usize]) -> Result<Vec<Bar>, Box<dyn Error>> {
    let run = |choice, batch| best(&boarded.network, choice, batch, &boarded.costs, Noise::NONE);
    let bar = |batch: &usize| {
        let (plan, shared) = run(Choice::Shared, *batch)?;
        Ok(Bar {
            batch: *batch,
            gpu: run(Choice::GpuOnly, *batch)?.1.rate(),
            shared: shared.rate(),
            plan: plan.to_string(),
        })
    };
    batches.iter().map(bar).collect()
}

/// Each choice with the plan that the simulation found best, in turn; medians. Also says what computed.
pub fn measured(
    boarded: &BoardScenario,
    artifact: &Path,
    engines: &Engines,
    batches: &[usize],
    repeats: u32,
    cancel: Arc<AtomicBool>,
) -> Result<(Vec<Bar>, String), Box<dyn Error>> {
    let bundle = Artifact::read(artifact)?.network()?.clone();
    let session = engines.untuned(bundle, cancel)?;
    let mut bars = Vec::new();
    for &batch in batches {
        let (shared, _) = best(
            &boarded.network,
            Choice::Shared,
            batch,
            &boarded.costs,
            Noise::NONE,
        )?;
        let (alone, _) = best(
            &boarded.network,
            Choice::GpuOnly,
            batch,
            &boarded.costs,
            Noise::NONE,
        )?;
        let [gpu, both] = rates(&session, [&alone, &shared], batch, repeats)?;
        bars.push(Bar {
            batch,
            gpu,
            shared: both,
            plan: shared.to_string(),
        });
    }
    let devices: Vec<String> = session.devices().iter().map(|d| d.to_string()).collect();
    Ok((
        bars,
        format!("{} {}", devices.join(" + "), session.backend().describe()),
    ))
}

/// Median rates after a run of each to warm up.
fn rates(
    session: &Session,
    plans: [&Plan; 2],
    batch: usize,
    repeats: u32,
) -> Result<[f64; 2], Box<dyn Error>> {
    let inputs = noise(session, batch);
    let mut runs = [Vec::new(), Vec::new()];
    for round in 0..=repeats {
        for (plan, runs) in plans.iter().zip(&mut runs) {
            let rate = session.run_with(plan, &inputs)?.stats.rate();
            if round > 0 {
                runs.push(rate);
            }
        }
    }
    Ok(runs.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }))
}
