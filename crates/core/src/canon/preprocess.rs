//! A scale, and a shift where nothing is padded, in front of a layer with weights goes into the weights: `x / 255`,
//! `(x - mean) / std`.
//!
//! Zeros that a convolution pads with are zeros behind the shift, so that only a scale moves past padding.

use super::Edit;
use super::affine::{by_channel, with_constant};
use crate::graph::{BinaryKind, Node, Op, PaddingNd, TensorId};

/// Folds a scale or a shift that nothing else reads into the layer behind it.
pub(super) fn fold(edit: &mut Edit, node: usize) -> bool {
    let Some((weights, layer)) = weighted(edit, node) else {
        return false;
    };
    let between = edit.node(node).inputs[0];
    let Some(first) = edit.producer_for(between, node) else {
        return false;
    };
    let Some((kind, x, c)) = with_constant(edit, first) else {
        return false;
    };
    if edit.loses_range(between, &[x]) {
        return false;
    }
    let Some(constants) = by_channel(edit, c, between, layer.channel_axis) else {
        return false;
    };
    let Some(values) = edit.values(weights) else {
        return false;
    };
    match kind {
        BinaryKind::Mul => scale(edit, node, x, weights, &layer, values, &constants),
        BinaryKind::Add if !layer.pads => shift(edit, node, x, weights, &layer, &values, &constants),
        _ => false,
    }
}

/// How a layer's weights meet the channels that it reads.
struct WeightLayout {
    channel_axis: usize,
    groups: usize,
    pads: bool,
}

impl WeightLayout {
    /// Per weight `[O, C / groups, ..]` the channel that it is multiplied with.
    fn channels<'a>(&'a self, shape: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
        let (outputs, per_group) = (shape[0], shape[1]);
        let taps: usize = shape[2..].iter().product();
        let group = move |o: usize| o / (outputs / self.groups) * per_group;
        (0..outputs)
            .flat_map(move |o| (0..per_group).flat_map(move |c| std::iter::repeat_n(group(o) + c, taps)))
    }
}

fn weighted(edit: &Edit, node: usize) -> Option<(TensorId, WeightLayout)> {
    let Node {
        op, inputs, output, ..
    } = edit.node(node);
    let (groups, pads, channel_axis) = match op {
        Op::Conv1d(conv) => (conv.groups, conv.padding != PaddingNd::uniform(0), 1),
        Op::Conv2d(conv) => (conv.groups, !conv.padding.is_zero(), 1),
        Op::Conv3d(conv) => (conv.groups, conv.padding != PaddingNd::uniform(0), 1),
        Op::Dense => (1, false, edit.shape(*output).len() - 1),
        _ => return None,
    };
    let layer = WeightLayout {
        channel_axis,
        groups,
        pads,
    };
    edit.is_weight(inputs[1]).then_some((inputs[1], layer))
}

fn scale(
    edit: &mut Edit,
    node: usize,
    x: TensorId,
    weights: TensorId,
    layer: &WeightLayout,
    values: Vec<f32>,
    factors: &[f32],
) -> bool {
    let shape = edit.shape(weights).to_vec();
    let channels = layer.channels(&shape);
    let scaled: Vec<f32> = values.iter().zip(channels).map(|(w, c)| w * factors[c]).collect();
    if !scaled.iter().all(|w| w.is_finite()) {
        return false;
    }
    let name = edit.tensor(weights).name.clone();
    let scaled = edit.weight(&name, &shape, &scaled);
    let op = edit.op(node).clone();
    edit.set(node, op, &[x, scaled]);
    true
}

/// The shift times the weights is one number per output channel.
fn shift(
    edit: &mut Edit,
    node: usize,
    x: TensorId,
    weights: TensorId,
    layer: &WeightLayout,
    values: &[f32],
    shifts: &[f32],
) -> bool {
    let shape = edit.shape(weights).to_vec();
    let per_output = values.len() / shape[0];
    let products = values.iter().zip(layer.channels(&shape));
    let products: Vec<f64> = products
        .map(|(w, c)| f64::from(*w) * f64::from(shifts[c]))
        .collect();
    let bias = products.chunks(per_output.max(1));
    let bias: Vec<f32> = bias.map(|own| own.iter().sum::<f64>() as f32).collect();
    if !bias.iter().all(|b| b.is_finite()) {
        return false;
    }
    let name = format!("{}.bias", edit.node(node).name);
    let op = edit.op(node).clone();
    let sums = edit.add(node, op, &[x, weights]);
    let bias = edit.weight(&name, &[bias.len()], &bias);
    let axis = layer.channel_axis;
    edit.set(node, Op::BiasAdd { axis }, &[sums, bias]);
    true
}
