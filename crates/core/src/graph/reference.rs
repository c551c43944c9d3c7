//! What every operator means, written as plainly as possible: one loop over output elements, sums in float64.

use crate::graph::{
    Activation, Array, BinaryKind, ConvNd, Coordinates, DeconvNd, Graph, Lrn, Node, Op, Pad, PaddingNd,
    PoolKind, PoolNd, ReduceKind, Resize2d, ResizeMode, Rounding, UnaryKind, elements,
};

/// All outputs of `graph` over its inputs.
pub fn evaluate(graph: &Graph, inputs: &[Array]) -> Vec<Array> {
    let mut values: Vec<Option<Array>> = graph
        .tensors
        .iter()
        .map(|t| t.weight.as_ref().map(|bytes| array(&t.shape, floats(bytes))))
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

pub fn floats(bytes: &[u8]) -> Vec<f32> {
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

pub fn apply(node: &Node, operands: &[Array], shape: &[usize]) -> Array {
    let x = &operands[0];
    let same = || array(shape, x.data.to_vec());
    match &node.op {
        Op::Conv1d(c) => conv(&windows(c), c.groups, x, &operands[1], shape),
        Op::Conv2d(c) => {
            let nd = ConvNd {
                stride: c.stride,
                padding: PaddingNd::from(c.padding),
                dilation: c.dilation,
                groups: c.groups,
            };
            conv(&windows(&nd), c.groups, x, &operands[1], shape)
        }
        Op::Conv3d(c) => conv(&windows(c), c.groups, x, &operands[1], shape),
        Op::Deconv2d(d) => deconv(d, x, &operands[1], shape),
        Op::Deconv3d(d) => deconv(d, x, &operands[1], shape),
        Op::BiasAdd { axis } => fill(shape, |i| at(x, i) + at(&operands[1], &[i[*axis]])),
        Op::BatchNorm { epsilon, axis } => fill(shape, |i| {
            let of = |k: usize| at(&operands[k], &[i[*axis]]);
            let deviation = (of(4) + f64::from(*epsilon)).sqrt();
            (at(x, i) - of(3)) / deviation * of(1) + of(2)
        }),
        Op::Activation(function) => fill(shape, |i| activate(*function, at(x, i))),
        Op::PRelu => fill(shape, |i| match at(x, i) {
            v if v < 0.0 => v * at(&operands[1], &[i[usize::from(i.len() > 1)]]),
            v => v,
        }),
        Op::Binary(kind) => fill(shape, |i| combine(*kind, at(x, i), at(&operands[1], i))),
        Op::LayerNorm { epsilon, axis } => fill(shape, |i| layer_norm(*epsilon, *axis, operands, i)),
        Op::Unary(kind) => fill(shape, |i| unary(*kind, at(x, i))),
        Op::Pool2d(p) => {
            let nd = PoolNd {
                kind: p.kind,
                window: p.window,
                stride: p.stride,
                padding: PaddingNd::from(p.padding),
                dilation: p.dilation,
                ceil_mode: p.ceil_mode,
                count_include_pad: p.count_include_pad,
            };
            pool(&nd, x, shape)
        }
        Op::Pool3d(p) => pool(p, x, shape),
        Op::Resize2d(r) => resize(r, x, shape),
        Op::GlobalPool(kind) => adaptive(*kind, x, shape),
        Op::AdaptivePool { kind, .. } => adaptive(*kind, x, shape),
        Op::Concat { axis } => concat(*axis, operands, shape),
        Op::Pad(pad) => padded(pad, x, shape),
        Op::Lrn(lrn) => fill(shape, |i| normalise(lrn, x, i)),
        Op::Reduce { kind, axes, keepdims } => reduce(*kind, axes, *keepdims, x, shape),
        Op::Slice { ranges } => fill(shape, |i| {
            let mut from = i.to_vec();
            for r in ranges {
                from[r.axis] = r.start + i[r.axis] * r.step;
            }
            at(x, &from)
        }),
        Op::BatchMatmul {
            transpose_a,
            transpose_b,
        } => {
            let inner = x.shape[if *transpose_a { 1 } else { 2 }];
            let element = |x: &Array, transposed, b, row, column| {
                if transposed {
                    at(x, &[b, column, row])
                } else {
                    at(x, &[b, row, column])
                }
            };
            fill(shape, |i| {
                let term = |k| {
                    element(x, *transpose_a, i[0], i[1], k)
                        * element(&operands[1], *transpose_b, i[0], k, i[2])
                };
                (0..inner).map(term).sum()
            })
        }
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
        BinaryKind::Div => a / b,
        BinaryKind::Pow => a.powf(b),
    }
}

/// Position `k` of a window on one axis, if it lies inside the map.
fn tap(output: usize, stride: usize, k: usize, dilation: usize, pad: usize, size: usize) -> Option<usize> {
    (output * stride + k * dilation)
        .checked_sub(pad)
        .filter(|position| *position < size)
}

/// Stride, dilation and padding in front, per map axis.
type Axes = Vec<[usize; 3]>;

fn windows<const N: usize>(conv: &ConvNd<N>) -> Axes {
    (0..N)
        .map(|i| [conv.stride[i], conv.dilation[i], conv.padding.before[i]])
        .collect()
}

/// Every index of an array of this shape.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..elements(shape).unwrap()).map(|flat| unflatten(flat, shape))
}

fn conv(axes: &Axes, groups: usize, x: &Array, w: &Array, shape: &[usize]) -> Array {
    let (per_group, per_output) = (w.shape[1], w.shape[0] / groups);
    fill(shape, |i| {
        let mut sum = 0.0;
        for k in indices(&w.shape[2..]) {
            let place = |(a, [stride, dilation, pad]): (usize, &[usize; 3])| {
                tap(i[2 + a], *stride, k[a], *dilation, *pad, x.shape[2 + a])
            };
            let Some(place) = axes.iter().enumerate().map(place).collect::<Option<Vec<_>>>() else {
                continue;
            };
            for c in 0..per_group {
                let channel = i[1] / per_output * per_group + c;
                let from = [&[i[0], channel], &place[..]].concat();
                sum += at(x, &from) * at(w, &[&[i[1], c], &k[..]].concat());
            }
        }
        sum
    })
}

/// Input element `j` adds `w[k]` times itself to output element `j * stride + k - padding`.
fn deconv<const N: usize>(d: &DeconvNd<N>, x: &Array, w: &Array, shape: &[usize]) -> Array {
    let (out, inputs) = (w.shape[1], x.shape[1] / d.groups);
    fill(shape, |i| {
        let mut sum = 0.0;
        for k in indices(&w.shape[2..]) {
            let place = |a: usize| {
                let scaled = (i[2 + a] + d.padding.before[a]).checked_sub(k[a])?;
                let inside = scaled.is_multiple_of(d.stride[a]) && scaled / d.stride[a] < x.shape[2 + a];
                inside.then_some(scaled / d.stride[a])
            };
            let Some(place) = (0..N).map(place).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let group = i[1] / out;
            for c in group * inputs..(group + 1) * inputs {
                let from = [&[i[0], c], &place[..]].concat();
                sum += at(x, &from) * at(w, &[&[c, i[1] % out], &k[..]].concat());
            }
        }
        sum
    })
}

/// As TVM's `pool_impl_nd`: sums over the padded map; the divisor counts elements up to the padding that was asked for.
fn pool<const N: usize>(pool: &PoolNd<N>, x: &Array, shape: &[usize]) -> Array {
    let taps = |axis: usize, o: usize| -> Vec<Option<usize>> {
        let (size, before) = (x.shape[2 + axis], pool.padding.before[axis]);
        let end = before + size + pool.padding.after[axis];
        (0..pool.window[axis])
            .map(|k| o * pool.stride[axis] + k * pool.dilation[axis])
            .filter(|position| *position < end)
            .map(|position| position.checked_sub(before).filter(|p| *p < size))
            .collect()
    };
    fill(shape, |i| {
        let taps: Vec<_> = (0..N).map(|axis| taps(axis, i[2 + axis])).collect();
        let inside: Vec<Vec<usize>> = taps
            .iter()
            .map(|t| t.iter().flatten().copied().collect())
            .collect();
        let lengths: Vec<usize> = inside.iter().map(Vec::len).collect();
        let values = indices(&lengths).map(|choice| {
            let place = choice.iter().zip(&inside).map(|(c, t)| t[*c]);
            at(x, &i[..2].iter().copied().chain(place).collect::<Vec<_>>())
        });
        let divisor: usize = if pool.count_include_pad {
            taps.iter().map(Vec::len).product()
        } else {
            lengths.iter().product()
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

fn reduce(kind: ReduceKind, axes: &[usize], keepdims: bool, x: &Array, shape: &[usize]) -> Array {
    let lengths: Vec<usize> = axes.iter().map(|a| x.shape[*a]).collect();
    fill(shape, |i| {
        let mut kept = i.to_vec();
        if !keepdims {
            axes.iter().for_each(|a| kept.insert(*a, 0));
        }
        let values = indices(&lengths).map(|reduced| {
            let mut index = kept.clone();
            axes.iter().zip(reduced).for_each(|(a, k)| index[*a] = k);
            at(x, &index)
        });
        match kind {
            ReduceKind::Sum => values.sum(),
            ReduceKind::Prod => values.product(),
            ReduceKind::Max => values.fold(f64::NEG_INFINITY, f64::max),
            ReduceKind::Min => values.fold(f64::INFINITY, f64::min),
            ReduceKind::Mean => values.sum::<f64>() / elements(&lengths).unwrap() as f64,
        }
    })
}

fn layer_norm(epsilon: f32, axis: usize, operands: &[Array], i: &[usize]) -> f64 {
    let x = &operands[0];
    let along = |k: usize| {
        let mut index = i.to_vec();
        index[axis] = k;
        at(x, &index)
    };
    let count = x.shape[axis] as f64;
    let mean = (0..x.shape[axis]).map(along).sum::<f64>() / count;
    let squares = (0..x.shape[axis]).map(|k| (along(k) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count + f64::from(epsilon)).sqrt();
    let of = |k: usize| at(&operands[k], &[i[axis]]);
    (at(x, i) - mean) / deviation * of(1) + of(2)
}

fn unary(kind: UnaryKind, v: f64) -> f64 {
    match kind {
        UnaryKind::Exp => v.exp(),
        UnaryKind::Log => v.ln(),
        UnaryKind::Sqrt => v.sqrt(),
        UnaryKind::Abs => v.abs(),
        UnaryKind::Neg => -v,
        UnaryKind::Floor => v.floor(),
        UnaryKind::Ceil => v.ceil(),
        UnaryKind::Sin => v.sin(),
        UnaryKind::Cos => v.cos(),
        UnaryKind::Tan => v.tan(),
        UnaryKind::Sinh => v.sinh(),
        UnaryKind::Cosh => v.cosh(),
        UnaryKind::Asin => v.asin(),
        UnaryKind::Acos => v.acos(),
        UnaryKind::Asinh => v.asinh(),
        UnaryKind::Acosh => v.acosh(),
        UnaryKind::Atanh => v.atanh(),
        UnaryKind::Atan => v.atan(),
        UnaryKind::Erf => erf(v),
    }
}

/// Its Taylor series, good to float64 for the small arguments used here.
fn erf(v: f64) -> f64 {
    let mut term = v;
    let mut sum = v;
    for n in 1..60 {
        term *= -v * v / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn resize(r: &Resize2d, x: &Array, shape: &[usize]) -> Array {
    let source = |axis: usize, i: usize| {
        let (input, output) = (x.shape[axis] as f64, shape[axis] as f64);
        match r.coordinates {
            Coordinates::Asymmetric => i as f64 * input / output,
            Coordinates::HalfPixel => (i as f64 + 0.5) * input / output - 0.5,
            Coordinates::AlignCorners => i as f64 * (input - 1.0) / (output - 1.0),
        }
    };
    let inside = |axis: usize, v: f64| v.clamp(0.0, x.shape[axis] as f64 - 1.0) as usize;
    fill(shape, |i| {
        let (row, column) = (source(2, i[2]), source(3, i[3]));
        let value = |a: f64, b: f64| at(x, &[i[0], i[1], inside(2, a), inside(3, b)]);
        let nearest = |v: f64, rounding: Rounding| match rounding {
            Rounding::Floor => v.floor(),
            Rounding::Ceil => v.ceil(),
            Rounding::HalfDown => (v - 0.5).ceil(),
            Rounding::HalfUp => (v + 0.5).floor(),
        };
        match r.mode {
            ResizeMode::Nearest(rounding) => value(nearest(row, rounding), nearest(column, rounding)),
            ResizeMode::Linear => {
                let (a, b) = (row.floor(), column.floor());
                let along = |a: f64| {
                    let right = column - b;
                    value(a, b) * (1.0 - right) + value(a, b + 1.0) * right
                };
                along(a) * (1.0 - (row - a)) + along(a + 1.0) * (row - a)
            }
        }
    })
}
