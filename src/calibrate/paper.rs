//! The two constants of the paper's framework, fitted to two points of its ratio curve.

use super::fit::fit_keys;
use super::networks::network;
use crate::board::{
    named, Arithmetic, BoardCosts, Constants, Framework, Key, Setting, DEFINITIONS,
};
use crate::graph::Graph;
use crate::plan::Device;
use crate::report::{published, Published};
use crate::sim::{best, Choice, Network, Noise};
use crate::split::{cut, DlaTarget, Precision, Stages};

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

/// The constants with those of the paper's framework.
///
/// # Errors
/// A mistake in the network's description or a run that cannot be simulated.
pub fn fit_paper(constants: &Constants) -> Result<Constants, String> {
    let (graph, stages, setting) = parts()?;
    let wanted: Vec<Published> = published()
        .into_iter()
        .filter(|p| POINTS.contains(&p.batch))
        .collect();
    let keys: Vec<usize> = (0..DEFINITIONS.len())
        .filter(|i| matches!(DEFINITIONS[*i].key, Key::KscCall | Key::KscCopy))
        .collect();
    let errors = |constants: &Constants| -> Vec<(f64, f64)> {
        let costs = BoardCosts::new(&graph, &stages, setting.clone(), constants.clone());
        let error =
            |p: &Published| ratio(&costs, p.batch).map_or(f64::NAN, |r| (r / p.ratio).ln() / 0.01);
        wanted.iter().map(|p| (error(p), 1.0)).collect()
    };
    // Wide, because the best plan changes in steps.
    Ok(fit_keys(&keys, constants, 0.05, &errors))
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
    };
    let rate = |choice| {
        Some(
            best(&network, choice, batch, costs, Noise::NONE)
                .ok()?
                .1
                .rate(),
        )
    };
    Some(rate(Choice::Shared)? / rate(Choice::GpuOnly)?)
}
