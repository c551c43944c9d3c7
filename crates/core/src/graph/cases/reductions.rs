//! Operators that combine elements along axes.

use super::Case;
use super::Operand::X;
use crate::graph::{Lrn, Op, ReduceKind};

pub(super) fn reductions() -> Vec<Case> {
    let case = |op, x, why| Case {
        op,
        operands: vec![X(x)],
        why,
    };
    let reduce = |kind, axes: &[usize], keepdims| Op::Reduce {
        kind,
        axes: axes.to_vec(),
        keepdims,
    };
    let mean = |axes: &[usize], keepdims| reduce(ReduceKind::Mean, axes, keepdims);
    let lrn = |size, beta| {
        Op::Lrn(Lrn {
            size,
            alpha: 0.3,
            beta,
            bias: 1.5,
        })
    };
    let mut cases = vec![
        case(mean(&[2, 3], true), &[2, 3, 4, 5], "the whole map"),
        case(mean(&[2, 3], false), &[2, 3, 4, 5], "the whole map, axes dropped"),
        case(mean(&[1], false), &[2, 3, 4, 5], "channels"),
        case(mean(&[1, 3], true), &[2, 3, 4, 5], "axes apart"),
        case(mean(&[2], false), &[2, 3, 4], "three dimensions"),
        case(mean(&[], true), &[2, 3], "over nothing"),
        case(lrn(5, 0.75), &[2, 7, 3, 3], "AlexNet's"),
        case(lrn(1, 0.5), &[1, 3, 2, 2], "one channel"),
        case(lrn(9, 0.75), &[1, 4, 2, 2], "wider than the channels"),
        case(Op::Softmax { axis: 1 }, &[3, 10], "classes"),
        case(Op::Softmax { axis: 1 }, &[2, 5, 3, 3], "channels of a map"),
        case(Op::Softmax { axis: 3 }, &[2, 5, 3, 3], "the last axis"),
        case(Op::Softmax { axis: 2 }, &[2, 3, 4, 2, 3], "five dimensions"),
    ];
    for kind in ReduceKind::ALL {
        cases.extend([
            case(reduce(kind, &[2, 3], true), &[2, 3, 4, 5], "a map"),
            case(reduce(kind, &[1], false), &[2, 3, 4], "a sequence"),
            case(reduce(kind, &[1, 3], false), &[2, 3, 2, 3, 2], "five dimensions"),
            case(reduce(kind, &[], false), &[2, 3], "nothing"),
        ]);
    }
    cases
}
