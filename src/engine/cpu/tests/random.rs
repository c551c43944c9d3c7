//! Operators with random valid attributes against the plain reference.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;

use super::{compare, compute};
use crate::graph::cases::noise;
use crate::graph::{
    Conv2d, ConvNd, Coordinates, DeconvNd, GraphBuilder, Op, Padding2d, PaddingNd, Pool2d, PoolKind, PoolNd,
    Range, ReduceKind, Resize2d, ResizeMode, Rounding, infer_shape,
};

/// `op` over an input and, if it has a shape, a constant. False when the attributes do not fit together.
fn agrees(op: &Op, x: &[usize], weight: &[usize]) -> bool {
    let mut shapes = vec![x];
    shapes.extend((!weight.is_empty()).then_some(weight));
    if infer_shape(op, &shapes).is_err() {
        return false;
    }
    let mut b = GraphBuilder::new("random");
    let mut operands = vec![b.input("x", x)];
    if !weight.is_empty() {
        let values = noise(weight.iter().product(), 5);
        operands.push(b.weight("w", weight, values));
    }
    let y = b.node("y", op.clone(), &operands).unwrap();
    b.output(y);
    let (graph, why) = (b.finish().unwrap(), format!("{op:?} of {x:?}, {weight:?}"));
    if goes_through_tensorrt(op.name()) {
        compare(&graph, &why)
    } else {
        compute(&graph, &why)
    }
    true
}

/// The first few of every operator: a build takes many times as long as a run.
fn goes_through_tensorrt(operator: &'static str) -> bool {
    const MOST: usize = 6;
    static COUNTS: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());
    let mut counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(operator).or_default();
    *count += 1;
    *count <= MOST
}

fn sides<const N: usize>(range: std::ops::Range<usize>) -> impl Strategy<Value = [usize; N]> {
    proptest::collection::vec(range, N).prop_map(|v| v.try_into().unwrap())
}

fn padding<const N: usize>(most: usize) -> impl Strategy<Value = PaddingNd<N>> {
    (sides(0..most + 1), sides(0..most + 1)).prop_map(|(before, after)| PaddingNd { before, after })
}

fn kind() -> impl Strategy<Value = PoolKind> {
    prop_oneof![Just(PoolKind::Max), Just(PoolKind::Average)]
}

fn two(p: PaddingNd<2>) -> Padding2d {
    Padding2d {
        top: p.before[0],
        left: p.before[1],
        bottom: p.after[0],
        right: p.after[1],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn convolution(
        (groups, inputs, outputs) in (1usize..4, 1usize..3, 1usize..3),
        map in sides::<2>(4..9),
        kernel in sides::<2>(1..4),
        stride in sides::<2>(1..4),
        dilation in sides::<2>(1..3),
        padding in padding::<2>(3),
    ) {
        let op = Op::Conv2d(Conv2d { stride, padding: two(padding), dilation, groups });
        let x = [1, inputs * groups, map[0], map[1]];
        prop_assume!(agrees(&op, &x, &[outputs * groups, inputs, kernel[0], kernel[1]]));
    }

    #[test]
    fn convolution_over_one_and_three_axes(
        map in sides::<3>(3..7),
        kernel in sides::<3>(1..4),
        stride in sides::<3>(1..3),
        dilation in sides::<3>(1..3),
        padding in padding::<3>(2),
    ) {
        let three = Op::Conv3d(ConvNd { stride, padding, dilation, groups: 2 });
        let x = [1, 4, map[0], map[1], map[2]];
        prop_assume!(agrees(&three, &x, &[2, 2, kernel[0], kernel[1], kernel[2]]));
        let one = Op::Conv1d(ConvNd {
            stride: [stride[0]],
            padding: PaddingNd { before: [padding.before[0]], after: [padding.after[0]] },
            dilation: [dilation[0]],
            groups: 1,
        });
        prop_assert!(agrees(&one, &[2, 3, map[0]], &[4, 3, kernel[0]]));
    }

    #[test]
    fn deconvolution(
        (groups, inputs, outputs) in (1usize..3, 1usize..3, 1usize..3),
        map in sides::<2>(1..5),
        kernel in sides::<2>(1..5),
        stride in sides::<2>(1..4),
        padding in padding::<2>(2),
        output_padding in sides::<2>(0..3),
    ) {
        let output_padding = std::array::from_fn(|i| output_padding[i] % stride[i]);
        let op = Op::Deconv2d(DeconvNd { stride, padding, output_padding, groups });
        let x = [1, inputs * groups, map[0], map[1]];
        prop_assume!(agrees(&op, &x, &[inputs * groups, outputs, kernel[0], kernel[1]]));
    }

    #[test]
    fn pooling(
        kind in kind(),
        map in sides::<3>(3..8),
        window in sides::<3>(1..4),
        stride in sides::<3>(1..4),
        padding in padding::<3>(2),
        (ceil_mode, count_include_pad) in any::<(bool, bool)>(),
    ) {
        let op = Op::Pool2d(Pool2d {
            kind,
            window: [window[0], window[1]],
            stride: [stride[0], stride[1]],
            padding: Padding2d { top: padding.before[0], left: padding.before[1], bottom: padding.after[0], right: padding.after[1] },
            dilation: [1, 1],
            ceil_mode,
            count_include_pad,
        });
        prop_assume!(agrees(&op, &[1, 2, map[0], map[1]], &[]));
        let op = Op::Pool3d(PoolNd { kind, window, stride, padding, dilation: [1; 3], ceil_mode, count_include_pad });
        prop_assume!(agrees(&op, &[1, 2, map[0], map[1], map[2]], &[]));
    }

    #[test]
    fn reduction(
        kind in proptest::sample::select(ReduceKind::ALL.to_vec()),
        shape in proptest::collection::vec(1usize..4, 1..6),
        chosen in proptest::collection::vec(any::<bool>(), 5),
        keepdims in any::<bool>(),
    ) {
        let axes = (0..shape.len()).filter(|axis| chosen[*axis]).collect();
        let op = Op::Reduce { kind, axes, keepdims };
        prop_assert!(agrees(&op, &shape, &[]));
    }

    #[test]
    fn slice(
        shape in proptest::collection::vec(1usize..6, 1..6),
        cuts in proptest::collection::vec((0usize..6, 1usize..6, 1usize..4, any::<bool>()), 5),
    ) {
        let range = |(axis, (start, len, step, _)): (usize, &(usize, usize, usize, bool))| {
            let start = start % shape[axis];
            let most = (shape[axis] - start).div_ceil(*step);
            Range { axis, start, len: (*len).min(most), step: *step }
        };
        let chosen = cuts.iter().enumerate().take(shape.len()).filter(|(_, cut)| cut.3);
        let ranges = chosen.map(range).collect();
        let op = Op::Slice { ranges };
        prop_assert!(agrees(&op, &shape, &[]));
    }

    #[test]
    fn resize(
        map in sides::<2>(2..8),
        output in sides::<2>(2..15),
        mode in proptest::sample::select(vec![
            ResizeMode::Linear,
            ResizeMode::Nearest(Rounding::Floor),
            ResizeMode::Nearest(Rounding::Ceil),
            ResizeMode::Nearest(Rounding::HalfDown),
            ResizeMode::Nearest(Rounding::HalfUp),
        ]),
        coordinates in proptest::sample::select(vec![
            Coordinates::Asymmetric,
            Coordinates::HalfPixel,
            Coordinates::AlignCorners,
        ]),
    ) {
        let op = Op::Resize2d(Resize2d { output, mode, coordinates });
        prop_assert!(agrees(&op, &[1, 2, map[0], map[1]], &[]));
    }

    #[test]
    fn matrix_product(
        [batch, m, k, n] in sides::<4>(1..5),
        (transpose_a, transpose_b) in any::<(bool, bool)>(),
        shared in any::<bool>(),
    ) {
        let a = if transpose_a { [batch, k, m] } else { [batch, m, k] };
        let first = if shared { 1 } else { batch };
        let b = if transpose_b { [first, n, k] } else { [first, k, n] };
        let op = Op::BatchMatmul { transpose_a, transpose_b };
        prop_assert!(agrees(&op, &a, &b));
    }
}
