//! Figures about the runtime itself, as ratios within one run.

use serde::Serialize;

use super::args::BackendArgs;
use super::error::Failure;
use super::inputs::Port;
use super::interrupt::Interrupt;
use super::session;
use super::ui::Ui;
use crate::bundle::Bundle;
use crate::engine::Array;
use crate::plan::{Device, Plan};
use crate::session::{Outcome, Session, SessionConfig};

/// Repeated measurements of one quantity.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Spread {
            median: (low + high) / 2.0,
            min: values[0],
            max: values[values.len() - 1],
        }
    }
}

/// Two emulated DLAs with one thread each, over the prefix: alone, and at once.
#[derive(Debug, Serialize)]
pub struct Coexecution {
    pub alone: [f64; 2],
    pub together: f64,
    /// `together` over the sum of `alone`; the median of as many ratios as repeats.
    pub ratio: Spread,
}

impl Coexecution {
    pub fn text(&self) -> String {
        let [first, second] = self.alone;
        format!(
            "prefix on dla0 alone {first:.1} images/s, on dla1 alone {second:.1}, on both at once {:.1}: {:.2} of the sum ({:.2}..{:.2})\n",
            self.together, self.ratio.median, self.ratio.min, self.ratio.max
        )
    }
}

/// What one batch costs beyond the time inside the engines, on the GPU alone.
#[derive(Debug, Serialize)]
pub struct Overhead {
    pub batch: usize,
    pub engine_us: f64,
    pub runtime_us: f64,
    /// `runtime_us` over `engine_us`.
    pub share: f64,
}

/// Rows per execution and executions of the co-execution figure.
const ROWS: usize = 8;
const ROUNDS: usize = 8;

/// `None` when the artifact has no prefix, or does not use both cores.
pub fn coexecution(
    bundle: &Bundle,
    backend: &BackendArgs,
    repeats: usize,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Option<Coexecution>, Failure> {
    let session = open(bundle, backend, interrupt)?;
    if session.devices().len() < 3 {
        return Ok(None);
    }
    let plan = |devices: &[&str]| {
        let shares: Vec<String> = devices
            .iter()
            .map(|d| format!("{d}={ROWS}x{ROUNDS}"))
            .collect();
        format!("{},suffix={ROWS}", shares.join(",")).parse::<Plan>()
    };
    let plans = [plan(&["dla0"])?, plan(&["dla1"])?, plan(&["dla0", "dla1"])?];
    let bar = ui.progress("running together", (repeats + 1) * plans.len());
    let mut rates: [Vec<f64>; 3] = Default::default();
    for repeat in 0..=repeats {
        for (plan, rates) in plans.iter().zip(&mut rates) {
            interrupt.check()?;
            let outcome = run(&session, plan)?;
            if repeat > 0 {
                rates.push(plan.total() as f64 / outcome.stats.prefix_seconds);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let ratio = |i: usize| rates[2][i] / (rates[0][i] + rates[1][i]);
    let ratio = Spread::of((0..repeats).map(ratio).collect());
    let [first, second, both] = rates.map(|rates| Spread::of(rates).median);
    Ok(Some(Coexecution {
        alone: [first, second],
        together: both,
        ratio,
    }))
}

/// At batch 1 and 64; empty for a network that does not run at any batch.
pub fn overhead(
    bundle: &Bundle,
    backend: &BackendArgs,
    ui: &Ui,
    interrupt: &Interrupt,
) -> Result<Vec<Overhead>, Failure> {
    let session = open(bundle, backend, interrupt)?;
    let mut figures = Vec::new();
    for (batch, runs) in [(1, 60), (64, 10)] {
        let plan: Plan = format!("gpu={batch}x1").parse()?;
        if bundle.graph.with_batch(batch).is_err() {
            continue;
        }
        let bar = ui.progress("running alone", runs);
        let inputs = measured_inputs(&session, batch);
        session.run_with(&plan, &inputs)?;
        let (mut inside, mut beyond) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            interrupt.check()?;
            let started = std::time::Instant::now();
            let outcome = session.run_with(&plan, &inputs)?;
            let whole = started.elapsed().as_secs_f64();
            let busy: f64 = outcome.stats.devices.values().map(|d| d.busy).sum();
            inside.push(busy * 1e6);
            beyond.push((whole - busy) * 1e6);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let (engine_us, runtime_us) = (Spread::of(inside).median, Spread::of(beyond).median);
        figures.push(Overhead {
            batch,
            engine_us,
            runtime_us,
            share: runtime_us / engine_us,
        });
    }
    Ok(figures)
}

fn open(bundle: &Bundle, backend: &BackendArgs, interrupt: &Interrupt) -> Result<Session, Failure> {
    let backend = backend.open(&[Device::Gpu, Device::Dla(0), Device::Dla(1)])?;
    let config = SessionConfig {
        cancel: interrupt.flag(),
        ..SessionConfig::default()
    };
    Ok(Session::from_bundle(bundle.clone(), backend, config)?)
}

fn run(session: &Session, plan: &Plan) -> Result<Outcome, Failure> {
    Ok(session.run_with(plan, &measured_inputs(session, plan.total()))?)
}

fn measured_inputs(session: &Session, batch: usize) -> Vec<Array> {
    noise(&session::ports(session), batch)
}

/// The same values on every call, between -1 and 1.
pub fn noise(ports: &[Port], batch: usize) -> Vec<Array> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut array = |port: &Port| {
        let mut shape = port.shape.clone();
        shape[0] = batch;
        let count: usize = shape.iter().product();
        Array {
            data: (0..count).map(|_| next()).collect::<Vec<f32>>().into(),
            shape,
        }
    };
    ports.iter().map(&mut array).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_and_the_ends() {
        let cases = [
            (vec![3.0], (3.0, 3.0, 3.0), "one value"),
            (vec![4.0, 1.0, 2.0], (2.0, 1.0, 4.0), "odd"),
            (vec![4.0, 1.0, 2.0, 3.0], (2.5, 1.0, 4.0), "even"),
        ];
        for (values, (median, min, max), why) in cases {
            assert_eq!(Spread::of(values), Spread { median, min, max }, "{why}");
        }
    }

    #[test]
    fn noise_is_bounded_and_repeats() {
        let ports = [Port {
            name: "x".into(),
            shape: vec![1, 500],
        }];
        let arrays = noise(&ports, 4);
        assert_eq!(arrays, noise(&ports, 4));
        assert_eq!(arrays[0].shape, [4, 500]);
        assert!(arrays[0].data.iter().all(|v| (-1.0..1.0).contains(v)));
        assert!(
            arrays[0].data.iter().any(|v| *v < -0.9) && arrays[0].data.iter().any(|v| *v > 0.9)
        );
    }
}
