//! The two constants of the paper's framework, fitted to two points of its ratio curve.

use super::networks::network;
use crate::board::{Arithmetic, BoardCosts, Constants, Framework, Key, Setting, named};
use crate::graph::Graph;
use crate::plan::Device;
use crate::report::published;
use crate::sim::{Choice, Network, Noise, best};
use crate::split::{DlaTarget, Precision, Stages, cut};

/// The batch sizes whose published ratios are used; the other seven are predicted.
pub const POINTS: [usize; 2] = [16, 512];

/// The paper's setting: MobileNet on a Jetson Xavier NX. It states neither precision nor power mode. Its GPU's rate is
/// that of float32, which TVM's TensorRT integration uses unless told otherwise; a DLA has no float32, so its is FP16.
/// The mode is the fastest of the board's own.
pub fn setting() -> Result<Setting, String> {
    let board = named("xavier-nx").map_err(|e| e.to_string())?;
    Ok(Setting {
        machine: board.machine(Some("20W")).map_err(|e| e.to_string())?,
        precision: Precision::Fp16,
        gpu: Arithmetic::Fp32,
        framework: Framework::Ksc2022,
        graph: false,
        contention: true,
    })
}

/// The constants with those of the paper's framework: a call costs most at the smaller batch, copying at the larger, so
/// each is found from its own point, in turn.
///
/// # Errors
/// A mistake in the network's description or a run that cannot be simulated.
pub fn fit_paper(constants: &Constants) -> Result<Constants, String> {
    let (graph, stages, setting) = parts()?;
    let mut constants = constants.clone();
    for _ in 0..ROUNDS {
        for (key, batch, slower) in [(Key::KscCall, POINTS[0], true), (Key::KscCopy, POINTS[1], false)] {
            let wanted = published().into_iter().find(|p| p.batch == batch);
            let wanted = wanted
                .ok_or_else(|| format!("the paper has no batch {batch}"))?
                .ratio;
            let value = bisect(|value| {
                let mut tried = constants.clone();
                tried.set(key, value);
                let costs = BoardCosts::new(&graph, &stages, setting.clone(), tried);
                ratio(&costs, batch).is_some_and(|ratio| (ratio > wanted) == slower)
            });
            constants.set(key, value);
        }
    }
    Ok(constants)
}

/// Times both constants are found again with the other's new value.
const ROUNDS: usize = 5;

/// The value up to which `below` holds, between 1 and 10^6. The best plan changes in steps, which derivatives do not
/// survive.
fn bisect(below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0f64, 1e6f64.ln());
    for _ in 0..24 {
        let middle = (low + high) / 2.0;
        if below(middle.exp()) {
            low = middle
        } else {
            high = middle
        }
    }
    ((low + high) / 2.0).exp()
}

/// The network, its cut, and where it ran.
///
/// # Errors
/// A mistake in the network's description or the board's.
pub fn parts() -> Result<(Graph, Stages, Setting), String> {
    let graph = network("MobileNet").ok_or("MobileNet is not described")?;
    let graph = graph.map_err(|e| e.to_string())?;
    let stages = cut(&graph, &DlaTarget::default(), &[]).map_err(|e| e.to_string())?;
    Ok((graph, stages, setting()?))
}

/// GPU and DLAs over the GPU alone, each with its best plan.
pub fn ratio(costs: &BoardCosts, batch: usize) -> Option<f64> {
    let network = Network {
        prefix: true,
        suffix: true,
        dlas: vec![Device::Dla(0), Device::Dla(1)],
        dla_rows: 64,
        unit: None,
    };
    let rate = |choice| Some(best(&network, choice, batch, costs, Noise::NONE).ok()?.1.rate());
    Some(rate(Choice::Shared)? / rate(Choice::GpuOnly)?)
}
