//! On a GPU, TensorRT runs 1x1 convolutions that read the same tensor as one.

use super::fuse::FusedLayer;
use super::layer::{Kind, Layer};

/// Later siblings go into the first, as GoogLeNet's `1x1 || 3x3_reduce || 5x5_reduce` in every profile. The result of
/// one that a concatenation would take in place then lies among the others', and is copied.
pub(super) fn merge(fused: Vec<FusedLayer>) -> Vec<Layer> {
    let mut merged: Vec<FusedLayer> = Vec::new();
    let mut copies: Vec<Layer> = Vec::new();
    for next in fused {
        match merged.iter_mut().find(|first| alike(first, &next)) {
            Some(first) => {
                copies.extend([&mut *first, &mut { next.clone() }].into_iter().filter_map(copy));
                add(&mut first.layer, next.layer);
            }
            None => merged.push(next),
        }
    }
    let layers = merged.into_iter().map(|f| f.layer);
    layers.chain(copies).collect()
}

/// The copy of a result that no longer is where its reader wants it, once.
fn copy(of: &mut FusedLayer) -> Option<Layer> {
    std::mem::take(&mut of.joined).then(|| Layer {
        name: format!("{} copy", of.layer.name),
        kind: Kind::Move,
        inputs: of.layer.outputs,
        outputs: of.layer.outputs,
        outside: 0.0,
        weights: 0.0,
        macs: 0.0,
        adds: false,
        geometry: None,
    })
}

fn alike(first: &FusedLayer, next: &FusedLayer) -> bool {
    let simple = |f: &FusedLayer| {
        let kernel = f.layer.geometry.map(|g| (g.kernel, g.groups));
        f.layer.kind == Kind::Convolution && !f.padded && !f.layer.adds && kernel == Some(([1.0, 1.0], 1.0))
    };
    let same = |f: &FusedLayer| f.layer.geometry.map(|g| (g.input, g.stride));
    first.reads == next.reads
        && first.activation == next.activation
        && simple(first)
        && simple(next)
        && same(first) == same(next)
}

fn add(first: &mut Layer, next: Layer) {
    first.name += &format!(" || {}", next.name);
    first.outputs += next.outputs;
    first.weights += next.weights;
    first.macs += next.macs;
    if let (Some(geometry), Some(more)) = (&mut first.geometry, next.geometry) {
        geometry.maps += more.maps;
    }
}
