//! Graph -> the layers an engine runs, after the fusions TensorRT makes, each with its work per row.

mod class;
mod fuse;
mod layer;
mod shape;
mod siblings;

pub use layer::{Geometry, Kind, Layer};

use crate::graph::Graph;

/// Whose fusions are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Convolutions of 1x1 over the same input become one.
    Gpu,
    Dla,
}

/// The layers of `graph` in order. What costs nothing (a reshape, a concatenation whose operands are written in place)
/// is none.
pub fn layers(graph: &Graph, target: Target) -> Vec<Layer> {
    let fused = fuse::fuse(graph);
    match target {
        Target::Gpu => siblings::merge(fused),
        Target::Dla => fused.into_iter().map(|f| f.layer).collect(),
    }
}
