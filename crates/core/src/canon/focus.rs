//! Space to depth in front of a convolution is one convolution of a larger kernel and stride: every second row and column
//! from four places, joined as channels, and a 3x3 kernel are 6x6 with stride 2. Exporters write it as slices that they
//! join, or as a reshape, a transpose and a reshape.

use super::Edit;
use crate::graph::{Conv2d, Node, Op, Padding2d, Range, TensorId};

pub(super) fn fold(edit: &mut Edit, node: usize) -> bool {
    let Some(found) = found(edit, node) else {
        return false;
    };
    let Some(values) = edit.values(found.weights) else {
        return false;
    };
    let shape = edit.shape(found.weights).to_vec();
    let (wide, values) = found.grid.kernel(&shape, &values);
    let name = edit.tensor(found.weights).name.clone();
    let kernel = edit.weight(&name, &wide, &values);
    let conv = found.grid.conv(&found.conv);
    edit.stands_for(found.x, found.joined);
    edit.set(node, Op::Conv2d(conv), &[found.x, kernel]);
    true
}

struct FocusPattern {
    conv: Conv2d,
    weights: TensorId,
    joined: TensorId,
    x: TensorId,
    grid: Grid,
}

/// Which element of every block of a map each joined channel is.
struct Grid {
    block: [usize; 2],
    /// Of the map.
    channels: usize,
    /// By joined channel: a channel of the map, and the place in the block.
    places: Vec<(usize, [usize; 2])>,
}

fn found(edit: &Edit, node: usize) -> Option<FocusPattern> {
    let Node { op, inputs, .. } = edit.node(node);
    let (Op::Conv2d(conv), [joined, weights]) = (op, &inputs[..]) else {
        return None;
    };
    let plain = conv.groups == 1 && conv.dilation == [1; 2] && edit.is_weight(*weights);
    let alone = edit.only_reader(*joined) == Some(node);
    let last = edit.producer(*joined).filter(|_| plain && alone)?;
    let (x, grid) = match edit.op(last) {
        Op::Concat { axis: 1 } => parts(edit, last)?,
        op if op.only_reshapes() => blocks(edit, last)?,
        _ => return None,
    };
    Some(FocusPattern {
        conv: conv.clone(),
        weights: *weights,
        joined: *joined,
        x,
        grid,
    })
}

/// Slices at equal distances, joined.
fn parts(edit: &Edit, concat: usize) -> Option<(TensorId, Grid)> {
    let Node { inputs, output, .. } = edit.node(concat);
    let (x, block, _) = part(edit, *inputs.first()?)?;
    let &[_, channels, height, width] = edit.shape(x) else {
        return None;
    };
    let mut places = Vec::new();
    for id in inputs {
        let (own, step, start) = part(edit, *id)?;
        let whole = own == x && step == block && (0..2).all(|i| start[i] < block[i]);
        places.extend((0..channels).map(|c| (c, start)).filter(|_| whole));
    }
    let map = &edit.shape(*output)[2..];
    let even = height == block[0] * map[0] && width == block[1] * map[1];
    let complete = places.len() == channels * inputs.len();
    let grid = Grid {
        block,
        channels,
        places,
    };
    (even && complete).then_some((x, grid))
}

/// Blocks of places made channels by a reshape, a transpose and a reshape.
fn blocks(edit: &Edit, last: usize) -> Option<(TensorId, Grid)> {
    let between = |node: usize| -> Option<(usize, TensorId)> {
        let operand = edit.node(node).inputs[0];
        let alone = edit.only_reader(operand) == Some(node) && !edit.is_ranged(operand);
        Some((edit.producer(operand).filter(|_| alone)?, operand))
    };
    let (transpose, _) = between(last)?;
    let Op::Transpose { axes } = edit.op(transpose) else {
        return None;
    };
    let (first, apart) = between(transpose)?;
    let x = edit.node(first).inputs[0];
    let (&[rows, channels, height, width], &[n, c, h, down, w, across]) = (edit.shape(x), edit.shape(apart))
    else {
        return None;
    };
    let split = [n, c, h * down, w * across] == [rows, channels, height, width];
    // What becomes channels, in front of what is left of the map: the channel and the place in the block, in any order.
    let deep = axes.get(1..4)?;
    let digit = |axis: usize| deep.iter().position(|a| *a == axis);
    let (channel, row, column) = (digit(1)?, digit(3)?, digit(5)?);
    let ordered = axes[0] == 0 && axes[4..] == [2, 4];
    let joined = edit.shape(edit.node(last).output) == [n, c * down * across, h, w];
    if !(edit.op(first).only_reshapes() && split && ordered && joined) {
        return None;
    }
    let [_, second, third] = [0, 1, 2].map(|i| edit.shape(apart)[deep[i]]);
    let place = |joined: usize| {
        let digits = [joined / third / second, joined / third % second, joined % third];
        (digits[channel], [digits[row], digits[column]])
    };
    let places = (0..c * down * across).map(place).collect();
    let grid = Grid {
        block: [down, across],
        channels,
        places,
    };
    Some((x, grid))
}

/// A slice that takes rows and columns at equal distances: of what, how far apart, from where.
fn part(edit: &Edit, id: TensorId) -> Option<(TensorId, [usize; 2], [usize; 2])> {
    let slice = edit.producer(id)?;
    let Op::Slice { ranges } = edit.op(slice) else {
        return None;
    };
    let x = edit.node(slice).inputs[0];
    let (mut step, mut start) = ([1; 2], [0; 2]);
    for Range {
        axis,
        start: from,
        len,
        step: by,
    } in ranges
    {
        match axis {
            2 | 3 => (step[axis - 2], start[axis - 2]) = (*by, *from),
            _ if *from == 0 && *len == edit.shape(x)[*axis] => {}
            _ => return None,
        }
    }
    let strided = edit.shape(x).len() == 4 && step != [1; 2] && !edit.is_ranged(id);
    strided.then_some((x, step, start))
}

impl Grid {
    /// The kernel over whole blocks: its shape and elements.
    fn kernel(&self, shape: &[usize], values: &[f32]) -> (Vec<usize>, Vec<f32>) {
        let [outputs, inputs, height, width] = shape[..] else {
            unreachable!("the weights of a convolution have four axes")
        };
        let (tall, broad) = (height * self.block[0], width * self.block[1]);
        let mut wide = vec![0.0; outputs * self.channels * tall * broad];
        for (index, value) in values.iter().enumerate() {
            let (rest, v) = (index / width, index % width);
            let (rest, u) = (rest / height, rest % height);
            let (o, slot) = (rest / inputs, rest % inputs);
            let (c, start) = self.places[slot];
            let (row, column) = (u * self.block[0] + start[0], v * self.block[1] + start[1]);
            wide[((o * self.channels + c) * tall + row) * broad + column] += value;
        }
        (vec![outputs, self.channels, tall, broad], wide)
    }

    fn conv(&self, conv: &Conv2d) -> Conv2d {
        let [down, across] = self.block;
        Conv2d {
            stride: [conv.stride[0] * down, conv.stride[1] * across],
            padding: Padding2d {
                top: conv.padding.top * down,
                left: conv.padding.left * across,
                bottom: conv.padding.bottom * down,
                right: conv.padding.right * across,
            },
            ..conv.clone()
        }
    }
}
