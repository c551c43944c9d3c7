//! The layer that has a form.

use super::chain::Chain;
use super::read::{Form, Place};
use crate::canon::Edit;
use crate::canon::broadcast::nearest;
use crate::canon::channels::SHARE;
use crate::graph::{Conv2d, DeconvNd, Node, Op, Padding2d, PaddingNd, Pool2d, PoolKind, Range, TensorId};

/// Has `node` compute `form` of the chain's sources; false where it does already, or where that would be dear.
pub fn write(edit: &mut Edit, node: usize, chain: &Chain, form: Form) -> bool {
    let written = match form {
        Form::Channels(channels) => picked(edit, node, chain, &channels),
        _ if chain.plain => false,
        Form::Part(ranges) => part(edit, node, chain, ranges),
        Form::Repeated(_) => {
            let shape = edit.shape(edit.node(node).output);
            let resize = nearest([shape[2], shape[3]]);
            single(chain).is_some_and(|x| set(edit, node, resize, x))
        }
        Form::Blocks { size, places } => single(chain).is_some_and(|x| blocks(edit, node, x, size, &places)),
        Form::Deep { size, places } => single(chain).is_some_and(|x| deep(edit, node, x, size, &places)),
    };
    if written {
        let x = chain.sources[0];
        let ranged = chain.between.iter().filter(|id| edit.is_ranged(**id));
        for id in ranged.copied().collect::<Vec<TensorId>>() {
            edit.stands_for(x, id);
        }
    }
    written
}

fn single(chain: &Chain) -> Option<TensorId> {
    match chain.sources[..] {
        [x] => Some(x),
        _ => None,
    }
}

fn set(edit: &mut Edit, node: usize, op: Op, x: TensorId) -> bool {
    let another = *edit.op(node) != op || edit.node(node).inputs != [x];
    if another {
        edit.set(node, op, &[x]);
    }
    another
}

/// Every so many rows and columns one, from the first on.
pub fn every(stride: [usize; 2]) -> Op {
    Op::Pool2d(Pool2d {
        kind: PoolKind::Max,
        window: [1; 2],
        stride,
        padding: Padding2d::default(),
        dilation: [1; 2],
        ceil_mode: false,
        count_include_pad: false,
    })
}

fn part(edit: &mut Edit, node: usize, chain: &Chain, ranges: Vec<Range>) -> bool {
    match (single(chain), ranges.is_empty()) {
        (Some(x), false) => set(edit, node, Op::Slice { ranges }, x),
        (Some(x), true) => {
            let output = edit.node(node).output;
            let computed = edit.producer(x).is_some() && !edit.is_output(x);
            let free = !edit.is_output(output) || computed;
            if free {
                edit.replace(output, x);
            }
            free
        }
        (None, true) => {
            edit.set(node, Op::Concat { axis: 1 }, &chain.sources);
            true
        }
        (None, false) => false,
    }
}

/// Channels in another order: the weights of convolutions that read them take it on; for other readers it is a
/// convolution of its own, where that is cheap.
fn picked(edit: &mut Edit, node: usize, chain: &Chain, channels: &[usize]) -> bool {
    let shape = chain.shape(edit);
    let output = edit.node(node).output;
    let known = edit.loses_range(output, &chain.sources[..1]);
    let mut x = single(chain);
    let mut changed = false;
    for reader in edit.readers(output).to_vec() {
        let Some(extra) = dearer(edit, reader, output, shape[1]).filter(|_| !known) else {
            continue;
        };
        if extra == 0 || (!chain.plain && edit.spend(extra, SHARE)) {
            let from = joined(edit, node, chain, &mut x);
            reads(edit, reader, from, channels, shape[1]);
            changed = true;
        }
    }
    let cost = (channels.len() * shape[1..].iter().product::<usize>()) as u64;
    let unread = edit.readers(output).is_empty() && !edit.is_output(output);
    if unread || chain.plain || !edit.spend(cost, SHARE) {
        return changed;
    }
    let places: Vec<Place> = channels.iter().map(|c| (*c, [0; 2])).collect();
    let kernel = one_hot(edit, node, shape[1], [1; 2], &places);
    let from = joined(edit, node, chain, &mut x);
    edit.set(node, Op::Conv2d(Conv2d::plain([1; 2])), &[from, kernel]);
    true
}

/// All sources as one map.
fn joined(edit: &mut Edit, node: usize, chain: &Chain, x: &mut Option<TensorId>) -> TensorId {
    *x.get_or_insert_with(|| edit.add(node, Op::Concat { axis: 1 }, &chain.sources))
}

/// The multiplications that a convolution has more when it reads `channels` channels in place of those picked of them;
/// `None` when it cannot.
fn dearer(edit: &Edit, node: usize, picked: TensorId, channels: usize) -> Option<u64> {
    let Node {
        op, inputs, output, ..
    } = edit.node(node);
    let Op::Conv2d(conv) = op else {
        return None;
    };
    let plain = conv.groups == 1 && inputs[0] == picked && edit.values(inputs[1]).is_some();
    let [outputs, own, height, width] = *edit.shape(inputs[1]).first_chunk()?;
    let map: usize = edit.shape(*output)[2..].iter().product();
    let more = channels.saturating_sub(own);
    plain.then_some((outputs * more * height * width * map) as u64)
}

/// Has a convolution read `x`, whose channels `channels` it read before.
fn reads(edit: &mut Edit, node: usize, x: TensorId, channels: &[usize], all: usize) {
    let weights = edit.node(node).inputs[1];
    let shape = edit.shape(weights).to_vec();
    let taps: usize = shape[2..].iter().product();
    let mut wide = vec![0.0; shape[0] * all * taps];
    for (index, value) in edit.values(weights).into_iter().flatten().enumerate() {
        let (output, own, tap) = (index / taps / shape[1], index / taps % shape[1], index % taps);
        wide[(output * all + channels[own]) * taps + tap] += value;
    }
    let name = edit.tensor(weights).name.clone();
    let kernel = edit.weight(&name, &[shape[0], all, shape[2], shape[3]], &wide);
    let op = edit.op(node).clone();
    edit.set(node, op, &[x, kernel]);
}

/// Blocks out of channels: a deconvolution whose windows touch.
fn blocks(edit: &mut Edit, node: usize, x: TensorId, size: [usize; 2], places: &[Place]) -> bool {
    let outputs = edit.shape(edit.node(node).output)[1];
    let deconv = Op::Deconv2d(DeconvNd {
        stride: size,
        padding: PaddingNd::uniform(0),
        output_padding: [0; 2],
        groups: 1,
    });
    let windows = row(edit, x);
    placed(edit, node, (deconv, x), [windows, outputs], size, places)
}

/// Channels out of blocks: a convolution whose windows touch.
fn deep(edit: &mut Edit, node: usize, x: TensorId, size: [usize; 2], places: &[Place]) -> bool {
    let inputs = edit.shape(x)[1];
    let conv = Op::Conv2d(Conv2d::plain(size));
    let windows = row(edit, edit.node(node).output);
    placed(edit, node, (conv, x), [windows, inputs], size, places)
}

/// Elements of a row.
fn row(edit: &Edit, id: TensorId) -> usize {
    edit.shape(id)[1..].iter().product()
}

/// Has `node` be that layer over windows of `size` with a kernel of ones, of which each takes or gives `inner` channels.
fn placed(
    edit: &mut Edit,
    node: usize,
    (layer, x): (Op, TensorId),
    [windows, inner]: [usize; 2],
    size: [usize; 2],
    places: &[Place],
) -> bool {
    let cost = (windows * inner * size[0] * size[1]) as u64;
    let affordable = edit.spend(cost, SHARE);
    if affordable {
        let kernel = one_hot(edit, node, inner, size, places);
        edit.set(node, layer, &[x, kernel]);
    }
    affordable
}

/// A kernel `[places, inner, size]` that has a one per first channel: at a channel of the second axis and a place in the
/// window.
fn one_hot(edit: &mut Edit, node: usize, inner: usize, size: [usize; 2], places: &[Place]) -> TensorId {
    let [height, width] = size;
    let mut values = vec![0.0; places.len() * inner * height * width];
    for (first, (second, [i, j])) in places.iter().enumerate() {
        values[((first * inner + second) * height + i) * width + j] = 1.0;
    }
    let name = format!("{}.places", edit.node(node).name);
    edit.weight(&name, &[places.len(), inner, height, width], &values)
}
