//! Pooling: every convention about padding, partial windows and divisors.

use super::Operand::X;
use super::{Case, pads};
use crate::graph::PoolKind::{Average, Max};
use crate::graph::{Op, Padding2d, PaddingNd, Pool2d, PoolKind, PoolNd};

fn pool(kind: PoolKind, window: [usize; 2], stride: [usize; 2], padding: Padding2d) -> Pool2d {
    Pool2d {
        kind,
        window,
        stride,
        padding,
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: false,
    }
}

fn pool_case(pool: Pool2d, x: &'static [usize], why: &'static str) -> Case {
    Case {
        op: Op::Pool2d(pool),
        operands: vec![X(x)],
        why,
    }
}

pub(super) fn pooling() -> Vec<Case> {
    let mut cases = Vec::new();
    let none = Padding2d::default();
    let ceil = |p: Pool2d| Pool2d { ceil_mode: true, ..p };
    let include = |p: Pool2d| Pool2d {
        count_include_pad: true,
        ..p
    };
    let dilated = |p: Pool2d| Pool2d {
        dilation: [2, 2],
        ..p
    };
    let pad1 = pads(1, 1, 1, 1);
    let side = pads(0, 0, 1, 1);
    let map: &[usize] = &[2, 3, 7, 8];
    for kind in [Max, Average] {
        cases.extend([
            pool_case(pool(kind, [2, 2], [2, 2], none), map, "floor drops the last row"),
            pool_case(
                ceil(pool(kind, [2, 2], [2, 2], none)),
                map,
                "ceil keeps a partial window",
            ),
            pool_case(
                ceil(pool(kind, [3, 3], [2, 2], none)),
                &[1, 2, 8, 8],
                "GoogLeNet's ceil pool",
            ),
            pool_case(
                ceil(pool(kind, [3, 3], [2, 2], pad1)),
                &[1, 2, 8, 8],
                "ceil beside padding",
            ),
            pool_case(pool(kind, [3, 3], [2, 2], pad1), map, "padding"),
            pool_case(pool(kind, [3, 3], [2, 2], side), map, "padding on one side"),
            pool_case(
                include(pool(kind, [3, 3], [1, 1], pad1)),
                map,
                "Inception's average counts padding",
            ),
            pool_case(
                include(ceil(pool(kind, [3, 3], [2, 2], none))),
                &[1, 2, 8, 8],
                "overhang never counts",
            ),
            pool_case(
                include(ceil(pool(kind, [3, 3], [2, 2], pad1))),
                &[1, 2, 8, 8],
                "padding counts, overhang does not",
            ),
            pool_case(
                include(ceil(pool(kind, [2, 3], [2, 2], side))),
                &[1, 2, 8, 7],
                "the same on one side only",
            ),
            pool_case(dilated(pool(kind, [2, 2], [1, 1], none)), map, "dilation"),
            pool_case(
                dilated(include(pool(kind, [2, 2], [2, 2], pad1))),
                map,
                "dilation, padding counts",
            ),
            pool_case(
                dilated(pool(kind, [2, 3], [1, 2], pads(1, 0, 1, 2))),
                map,
                "dilation, padding does not count",
            ),
            pool_case(
                ceil(pool(kind, [1, 1], [3, 3], none)),
                &[1, 2, 6, 6],
                "the last window is beyond the map: TVM keeps it",
            ),
            pool_case(
                pool(kind, [2, 2], [1, 1], pads(2, 2, 3, 2)),
                &[1, 2, 4, 4],
                "padding wider than the window",
            ),
            pool_case(pool(kind, [7, 8], [1, 1], none), map, "the whole map"),
        ]);
    }
    cases
}

/// Every remainder of size by stride.
pub fn pooling_remainders() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, include) in [(Max, false), (Average, false), (Average, true)] {
        for (window, stride) in [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2), (3, 3), (5, 3)] {
            for map in SQUARES {
                let mut p = pool(kind, [window; 2], [stride; 2], Padding2d::default());
                p.ceil_mode = true;
                p.count_include_pad = include;
                p.padding = pads(window / 2, 0, window / 2, window / 2);
                cases.push(pool_case(p, map, "every remainder of size by stride"));
            }
        }
    }
    cases
}

const SQUARES: [&[usize]; 4] = [&[1, 2, 5, 5], &[1, 2, 6, 6], &[1, 2, 7, 7], &[1, 2, 8, 8]];

pub(super) fn global_and_adaptive_pooling() -> Vec<Case> {
    let mut cases = Vec::new();
    let case = |kind, output, x, why| Case {
        op: Op::AdaptivePool { kind, output },
        operands: vec![X(x)],
        why,
    };
    for kind in [Max, Average] {
        cases.extend([
            Case {
                op: Op::GlobalPool(kind),
                operands: vec![X(&[2, 5, 7, 3])],
                why: "global",
            },
            case(kind, [1, 1], &[2, 3, 5, 4], "one window is global"),
            case(kind, [7, 7], &[1, 3, 7, 7], "every element alone"),
            case(kind, [2, 3], &[2, 3, 6, 6], "equal windows"),
            case(kind, [6, 6], &[1, 2, 7, 7], "overlapping windows of two"),
            case(
                kind,
                [3, 5],
                &[2, 2, 8, 13],
                "windows of different lengths on both axes",
            ),
            case(
                kind,
                [1, 3],
                &[1, 2, 6, 7],
                "one axis divides, the other does not",
            ),
        ]);
    }
    cases
}

pub(super) fn pooling_over_three_axes() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [Max, Average] {
        let case = |pads: [[usize; 3]; 2], ceil_mode, count_include_pad, why| Case {
            op: Op::Pool3d(PoolNd {
                kind,
                window: [2, 3, 2],
                stride: [2, 1, 3],
                padding: PaddingNd {
                    before: pads[0],
                    after: pads[1],
                },
                dilation: [1; 3],
                ceil_mode,
                count_include_pad,
            }),
            operands: vec![X(&[2, 2, 5, 4, 6])],
            why,
        };
        cases.extend([
            case([[0; 3]; 2], false, false, "no padding"),
            case([[0, 0, 0], [1, 1, 1]], false, false, "padding behind"),
            case([[1, 1, 1]; 2], false, true, "padding that counts"),
            case([[1, 1, 0]; 2], true, true, "overhang beside padding that counts"),
        ]);
    }
    cases
}
