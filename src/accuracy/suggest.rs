//! Which few layers of an INT8 network to leave in FP16.

use std::collections::BTreeSet;

use super::{AccuracyError, LayerNoise, PrecisionComparison};

/// Layers that are tried per step: the ones that add most noise.
const TRIED: usize = 6;

/// A step that gains less than this is not worth a layer.
const WORTH: f64 = 0.5;

/// One more layer in FP16.
#[derive(Debug, Clone)]
pub struct Step {
    /// The layer that this step adds.
    pub node: String,
    /// With it and those of the steps before.
    pub compared: PrecisionComparison,
}

/// Adds one layer at a time, the one that raises the output's signal to noise most, until `steps` are found or none
/// gains half a decibel. `measure` runs the network with these nodes in FP16.
///
/// # Errors
/// What `measure` fails with.
pub fn suggest(
    int8: &PrecisionComparison,
    layers: &[LayerNoise],
    steps: usize,
    mut measure: impl FnMut(&BTreeSet<String>) -> Result<PrecisionComparison, AccuracyError>,
) -> Result<Vec<Step>, AccuracyError> {
    let mut candidates: Vec<&LayerNoise> = layers.iter().filter(|l| l.added > 0.0).collect();
    candidates.sort_by(|a, b| b.added.total_cmp(&a.added));
    let mut half = BTreeSet::new();
    let mut found: Vec<Step> = Vec::new();
    while found.len() < steps {
        let now = found.last().map_or(int8, |step| &step.compared);
        let mut best: Option<Step> = None;
        let left = candidates.iter().filter(|l| !half.contains(&l.node));
        for layer in left.take(TRIED) {
            let mut with = half.clone();
            with.insert(layer.node.clone());
            let compared = measure(&with)?;
            let so_far = best.as_ref().map_or(now, |step| &step.compared);
            if compared.worst().ratio() < so_far.worst().ratio() {
                let node = layer.node.clone();
                best = Some(Step { node, compared });
            }
        }
        let gain = |step: &Step| 10.0 * (now.worst().ratio() / step.compared.worst().ratio()).log10();
        match best.filter(|step| gain(step) >= WORTH) {
            Some(step) => {
                half.insert(step.node.clone());
                found.push(step);
            }
            None => break,
        }
    }
    Ok(found)
}
