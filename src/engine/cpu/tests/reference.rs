//! What every operator means, written as plainly as possible: one loop over output elements, sums in float64.

use crate::engine::Array;
use crate::graph::{
    elements, Activation, BinaryKind, Conv2d, Graph, Lrn, Node, Op, Pad, Pool2d, PoolKind,
};

/// All outputs of `graph` over its inputs.
pub fn evaluate(graph: &Graph, inputs: &[Array]) -> Vec<Array> {
    let mut values: Vec<Option<Array>> = graph
        .tensors
        .iter()
        .map(|t| {
            t.weight
                .as_ref()
                .map(|bytes| array(&t.shape, floats(bytes)))
        })
        .collect();
    for (id, input) in graph.inputs.iter().zip(inputs) {
        values[id.0 as usize] = Some(input.clone());
    }
    let get = |values: &[Option<Array>], index: u32| values[index as usize].clone().unwrap();
    for node in &graph.nodes {
        let operands: Vec<Array> = node.inputs.iter().map(|id| get(&values, id.0)).collect();
        let shape = &graph.tensor(node.output).shape;
        values[node.output.0 as usize] = Some(apply(node, &operands, shape));
    }
    graph.outputs.iter().map(|id| get(&values, id.0)).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let element = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
    bytes.chunks_exact(4).map(element).collect()
}

pub fn array(shape: &[usize], data: Vec<f32>) -> Array {
    assert_eq!(elements(shape), Ok(data.len()));
    Array {
        shape: shape.to_vec(),
        data: data.into(),
    }
}

/// Fills an array from each element's index.
fn fill(shape: &[usize], mut value: impl FnMut(&[usize]) -> f64) -> Array {
    let data = (0..elements(shape).unwrap())
        .map(|flat| value(&unflatten(flat, shape)) as f32)
        .collect();
    array(shape, data)
}

fn unflatten(mut flat: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for axis in (0..shape.len()).rev() {
        index[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    index
}

/// The element at `index`, axes of length one being repeated and missing leading axes ignored.
fn at(x: &Array, index: &[usize]) -> f64 {
    let index = &index[index.len() - x.shape.len()..];
    let step = |flat: usize, (i, d): (&usize, &usize)| flat * d + if *d == 1 { 0 } else { *i };
    f64::from(x.data[index.iter().zip(&x.shape).fold(0, step)])
}

fn apply(node: &Node, operands: &[Array], shape: &[usize]) -> Array {
    let x = &operands[0];
    let same = || array(shape, x.data.to_vec());
    match &node.op {
        Op::Conv2d(conv) => conv2d(conv, x, &operands[1], shape),
        Op::BiasAdd { axis } => fill(shape, |i| at(x, i) + at(&operands[1], &[i[*axis]])),
        Op::BatchNorm { epsilon } => fill(shape, |i| {
            let of = |k: usize| at(&operands[k], &[i[1]]);
            let deviation = (of(4) + f64::from(*epsilon)).sqrt();
            (at(x, i) - of(3)) / deviation * of(1) + of(2)
        }),
        Op::Activation(function) => fill(shape, |i| activate(*function, at(x, i))),
        Op::PRelu => fill(shape, |i| match at(x, i) {
            v if v < 0.0 => v * at(&operands[1], &[i[1]]),
            v => v,
        }),
        Op::Binary(kind) => fill(shape, |i| combine(*kind, at(x, i), at(&operands[1], i))),
        Op::Pool2d(pool) => pool2d(pool, x, shape),
        Op::GlobalPool(kind) => adaptive(*kind, x, shape),
        Op::AdaptivePool { kind, .. } => adaptive(*kind, x, shape),
        Op::Concat { axis } => concat(*axis, operands, shape),
        Op::Pad(pad) => padded(pad, x, shape),
        Op::Lrn(lrn) => fill(shape, |i| normalise(lrn, x, i)),
        Op::Mean { axes, keepdims } => mean(axes, *keepdims, x, shape),
        Op::Flatten | Op::Reshape { .. } | Op::Squeeze { .. } | Op::ExpandDims { .. } => same(),
        Op::Transpose { axes } => fill(shape, |i| {
            let mut from = vec![0; i.len()];
            axes.iter().zip(i).for_each(|(axis, k)| from[*axis] = *k);
            at(x, &from)
        }),
        Op::Dense => fill(shape, |i| {
            let (unit, rest) = i.split_last().unwrap();
            let term = |k| at(x, &[rest, &[k]].concat()) * at(&operands[1], &[*unit, k]);
            (0..*x.shape.last().unwrap()).map(term).sum()
        }),
        Op::Softmax { axis } => fill(shape, |i| {
            let along = |k| {
                let mut index = i.to_vec();
                index[*axis] = k;
                at(x, &index).exp()
            };
            at(x, i).exp() / (0..shape[*axis]).map(along).sum::<f64>()
        }),
    }
}

fn activate(function: Activation, v: f64) -> f64 {
    match function {
        Activation::Relu => v.max(0.0),
        Activation::Clip { min, max } => v.max(min.into()).min(max.into()),
        Activation::LeakyRelu { alpha } if v < 0.0 => v * f64::from(alpha),
        Activation::LeakyRelu { .. } => v,
        Activation::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Activation::Tanh => v.tanh(),
    }
}

fn combine(kind: BinaryKind, a: f64, b: f64) -> f64 {
    match kind {
        BinaryKind::Add => a + b,
        BinaryKind::Sub => a - b,
        BinaryKind::Mul => a * b,
        BinaryKind::Max => a.max(b),
        BinaryKind::Min => a.min(b),
    }
}

/// Position `k` of a window on one axis, if it lies inside the map.
fn tap(
    output: usize,
    stride: usize,
    k: usize,
    dilation: usize,
    pad: usize,
    size: usize,
) -> Option<usize> {
    (output * stride + k * dilation)
        .checked_sub(pad)
        .filter(|position| *position < size)
}

fn conv2d(conv: &Conv2d, x: &Array, w: &Array, shape: &[usize]) -> Array {
    let [out, per_group, kh, kw] = w.shape[..] else {
        panic!("a kernel has four dimensions")
    };
    let (pad, per_output) = (conv.padding, out / conv.groups);
    fill(shape, |i| {
        let mut sum = 0.0;
        for c in 0..per_group {
            let channel = i[1] / per_output * per_group + c;
            for (a, b) in (0..kh).flat_map(|a| (0..kw).map(move |b| (a, b))) {
                let row = tap(
                    i[2],
                    conv.stride[0],
                    a,
                    conv.dilation[0],
                    pad.top,
                    x.shape[2],
                );
                let column = tap(
                    i[3],
                    conv.stride[1],
                    b,
                    conv.dilation[1],
                    pad.left,
                    x.shape[3],
                );
                if let (Some(row), Some(column)) = (row, column) {
                    sum += at(x, &[i[0], channel, row, column]) * at(w, &[i[1], c, a, b]);
                }
            }
        }
        sum
    })
}

/// As TVM's `pool_impl_nd`: sums over the padded map; the divisor counts elements up to the padding that was asked for.
fn pool2d(pool: &Pool2d, x: &Array, shape: &[usize]) -> Array {
    let pads = pool.padding.pairs();
    let taps = |axis: usize, o: usize| -> Vec<Option<usize>> {
        let size = x.shape[2 + axis];
        let position = |k: usize| o * pool.stride[axis] + k * pool.dilation[axis];
        (0..pool.window[axis])
            .filter(|k| position(*k) < pads[axis][0] + size + pads[axis][1])
            .map(|k| position(k).checked_sub(pads[axis][0]).filter(|p| *p < size))
            .collect()
    };
    fill(shape, |i| {
        let (rows, columns) = (taps(0, i[2]), taps(1, i[3]));
        let inside = |t: &[Option<usize>]| t.iter().flatten().copied().collect::<Vec<_>>();
        let (r, c) = (inside(&rows), inside(&columns));
        let value = |(a, b): (usize, usize)| at(x, &[i[0], i[1], a, b]);
        let values = r.iter().flat_map(|a| c.iter().map(|b| (*a, *b))).map(value);
        let divisor = match pool.count_include_pad {
            true => rows.len() * columns.len(),
            false => r.len() * c.len(),
        };
        match pool.kind {
            PoolKind::Max => values.fold(f64::from(f32::MIN), f64::max),
            PoolKind::Average => values.sum::<f64>() / divisor.max(1) as f64,
        }
    })
}

fn adaptive(kind: PoolKind, x: &Array, shape: &[usize]) -> Array {
    let window = |axis: usize, o: usize| {
        let (input, output) = (x.shape[axis], shape[axis]);
        o * input / output..((o + 1) * input).div_ceil(output)
    };
    fill(shape, |i| {
        let (rows, columns) = (window(2, i[2]), window(3, i[3]));
        let count = (rows.len() * columns.len()) as f64;
        let places = rows.flat_map(|a| columns.clone().map(move |b| (a, b)));
        let values = places.map(|(a, b)| at(x, &[i[0], i[1], a, b]));
        match kind {
            PoolKind::Max => values.fold(f64::NEG_INFINITY, f64::max),
            PoolKind::Average => values.sum::<f64>() / count,
        }
    })
}

fn concat(axis: usize, operands: &[Array], shape: &[usize]) -> Array {
    fill(shape, |i| {
        let mut index = i.to_vec();
        for x in operands {
            if index[axis] < x.shape[axis] {
                return at(x, &index);
            }
            index[axis] -= x.shape[axis];
        }
        panic!("the parts are shorter than the whole")
    })
}

fn padded(pad: &Pad, x: &Array, shape: &[usize]) -> Array {
    fill(shape, |i| {
        let from = |axis: usize| tap(i[axis], 1, 0, 1, pad.before[axis], x.shape[axis]);
        match (0..i.len()).map(from).collect::<Option<Vec<_>>>() {
            Some(index) => at(x, &index),
            None => f64::from(pad.value),
        }
    })
}

fn normalise(lrn: &Lrn, x: &Array, i: &[usize]) -> f64 {
    let half = lrn.size / 2;
    let first = i[1].saturating_sub(half);
    let last = (i[1] + half).min(x.shape[1] - 1);
    let square = |c: usize| {
        let mut index = i.to_vec();
        index[1] = c;
        at(x, &index).powi(2)
    };
    let sum: f64 = (first..=last).map(square).sum();
    let base = f64::from(lrn.bias) + f64::from(lrn.alpha) / lrn.size as f64 * sum;
    at(x, i) / base.powf(lrn.beta.into())
}

fn mean(axes: &[usize], keepdims: bool, x: &Array, shape: &[usize]) -> Array {
    let lengths: Vec<usize> = axes.iter().map(|a| x.shape[*a]).collect();
    let count = elements(&lengths).unwrap();
    fill(shape, |i| {
        let mut kept = i.to_vec();
        if !keepdims {
            axes.iter().for_each(|a| kept.insert(*a, 0));
        }
        let value = |flat: usize| {
            let mut index = kept.clone();
            let reduced = unflatten(flat, &lengths);
            axes.iter().zip(reduced).for_each(|(a, k)| index[*a] = k);
            at(x, &index)
        };
        (0..count).map(value).sum::<f64>() / count as f64
    })
}
