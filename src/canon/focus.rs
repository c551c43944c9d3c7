//! Space to depth in front of a convolution is one convolution of a larger kernel and stride: every second row and column
//! from four places, joined as channels, and a 3x3 kernel are 6x6 with stride 2.

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

struct Found {
    conv: Conv2d,
    weights: TensorId,
    joined: TensorId,
    x: TensorId,
    grid: Grid,
}

/// Which elements of every block of a map the parts take, in the order of their channels.
struct Grid {
    block: [usize; 2],
    channels: usize,
    starts: Vec<[usize; 2]>,
}

fn found(edit: &Edit, node: usize) -> Option<Found> {
    let Node { op, inputs, .. } = edit.node(node);
    let (Op::Conv2d(conv), [joined, weights]) = (op, &inputs[..]) else {
        return None;
    };
    let concat = edit.producer(*joined)?;
    let plain = conv.groups == 1 && conv.dilation == [1; 2] && edit.is_weight(*weights);
    let alone =
        edit.only_reader(*joined) == Some(node) && *edit.op(concat) == (Op::Concat { axis: 1 });
    let parts = &edit.node(concat).inputs;
    let (x, block, _) = part(edit, *parts.first().filter(|_| plain && alone)?)?;
    let mut starts = Vec::with_capacity(parts.len());
    for id in parts {
        let (own, step, start) = part(edit, *id)?;
        let whole = own == x && step == block && (0..2).all(|i| start[i] < block[i]);
        starts.push(whole.then_some(start)?);
    }
    let shape = edit.shape(x);
    let even = (0..2).all(|i| shape[2 + i] == block[i] * edit.shape(*joined)[2 + i]);
    let grid = Grid {
        block,
        channels: shape[1],
        starts,
    };
    even.then(|| Found {
        conv: conv.clone(),
        weights: *weights,
        joined: *joined,
        x,
        grid,
    })
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
            let (start, c) = (self.starts[slot / self.channels], slot % self.channels);
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
