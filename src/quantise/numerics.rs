//! What a bundle is to be computed in: its precision, with ranges from a file, made to suit the DLA's rules.

use super::file::{FileError, ranges};
use crate::bundle::Bundle;
use crate::engine::precision::{
    HalfReason, MovedNode, Numerics, Precision, PrecisionError, Unification, assign, folded, quantised,
};
use crate::engine::{RangeError, Ranges};
use crate::graph::Graph;
use crate::split::{Side, SplitError, cut};

/// Why a network cannot be computed as asked.
#[derive(Debug, thiserror::Error)]
pub enum NumericsError {
    #[error("int8 needs a range for every tensor, and there is no calibration")]
    NoCalibration,
    #[error("there is a calibration, and {0} needs none")]
    NotNeeded(Precision),
    #[error("the calibration: {0}")]
    File(#[from] FileError),
    #[error("the ranges that came with the model: {0}")]
    Range(#[from] RangeError),
    #[error("node `{name}` is to stay in fp16, and there is none; the nearest is `{nearest}`")]
    UnknownNode { name: String, nearest: String },
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    #[error(transparent)]
    Split(#[from] SplitError),
}

/// How `bundle` computes in `precision`. INT8 takes the text of a calibration, which a model that was quantised before TVM
/// does not need, and `half`: nodes to keep in FP16.
///
/// # Errors
/// [`NumericsError`] when INT8 has no calibration, or one that does not belong to the network or lacks a tensor.
pub fn numerics(
    bundle: &Bundle,
    precision: Precision,
    calibration: Option<&str>,
    half: &[String],
) -> Result<(Numerics, Unification), NumericsError> {
    let graph = &bundle.graph;
    let text = match (precision, calibration) {
        (Precision::Int8, Some(text)) => text,
        (Precision::Int8, None) => return as_quantised(bundle, half),
        (other, Some(_)) => return Err(NumericsError::NotNeeded(other)),
        (other, None) => return Ok((Numerics::of(other), Unification::default())),
    };
    int8(bundle, &ranges(text, graph)?, half)
}

/// INT8 with the ranges that came with the model; what it left in floating point stays in FP16.
fn as_quantised(bundle: &Bundle, half: &[String]) -> Result<(Numerics, Unification), NumericsError> {
    let (ranges, floats) = quantised(bundle)?.ok_or(NumericsError::NoCalibration)?;
    let (numerics, mut changes) = int8(bundle, &ranges, &[half, &floats].concat())?;
    let floats = floats.into_iter().filter(|name| !half.contains(name));
    changes.moved.extend(floats.map(|node| MovedNode {
        node,
        reason: HalfReason::Unquantised,
    }));
    Ok((numerics, changes))
}

/// INT8 with these ranges.
///
/// # Errors
/// As [`numerics`].
pub fn int8(
    bundle: &Bundle,
    ranges: &Ranges,
    half: &[String],
) -> Result<(Numerics, Unification), NumericsError> {
    let (graph, options) = (&bundle.graph, &bundle.options);
    half.iter().try_for_each(|name| known(graph, name))?;
    let side = cut(graph, &options.target, &options.gpu_only)?.side;
    let on_dla = |at: usize| side[at] == Side::Prefix;
    let (numerics, changes) = Numerics::int8(graph, ranges, half.iter().cloned(), on_dla);
    assign(&folded(graph), &numerics)?;
    Ok((numerics, changes))
}

fn known(graph: &Graph, name: &str) -> Result<(), NumericsError> {
    let names = || graph.nodes.iter().map(|node| node.name.as_str());
    if names().any(|known| known == name) {
        return Ok(());
    }
    let nearest = names().min_by_key(|known| strsim::levenshtein(known, name));
    Err(NumericsError::UnknownNode {
        name: name.to_string(),
        nearest: nearest.unwrap_or_default().to_string(),
    })
}
