//! Operators that move elements.

use super::Case;
use super::Operand::{W, X};
use crate::graph::{Op, Pad, Range};

pub(super) fn shapes() -> Vec<Case> {
    let case = |op, x, why| Case {
        op,
        operands: vec![X(x)],
        why,
    };
    let pad = |before: &[usize], after: &[usize], value| {
        Op::Pad(Pad {
            before: before.to_vec(),
            after: after.to_vec(),
            value,
        })
    };
    let reshape = |dims: &[i64]| Op::Reshape { dims: dims.to_vec() };
    vec![
        case(Op::Flatten, &[2, 3, 4, 5], "flatten"),
        case(reshape(&[0, -1]), &[2, 3, 4], "reshape keeps rows"),
        case(reshape(&[0, 4, 3, 1]), &[2, 3, 4], "reshape to more axes"),
        case(Op::Squeeze { axes: vec![2, 3] }, &[2, 3, 1, 1], "squeeze"),
        case(Op::ExpandDims { axis: 1, count: 2 }, &[2, 3], "expand"),
        case(Op::ExpandDims { axis: 2, count: 0 }, &[2, 3], "expand by nothing"),
        case(
            Op::Transpose {
                axes: vec![0, 2, 3, 1],
            },
            &[2, 3, 4, 5],
            "to NHWC",
        ),
        case(Op::Transpose { axes: vec![0, 1] }, &[2, 3], "no change"),
        case(
            pad(&[0, 0, 1, 2], &[0, 0, 3, 0], 0.0),
            &[2, 3, 4, 5],
            "zeros around a map",
        ),
        case(
            pad(&[0, 1, 0, 0], &[0, 2, 0, 0], 0.0),
            &[2, 3, 4, 5],
            "channels (ResNet option A)",
        ),
        case(
            pad(&[0, 0, 1, 1], &[0, 0, 1, 1], -1.5),
            &[1, 2, 3, 3],
            "another value",
        ),
        Case {
            op: Op::Concat { axis: 1 },
            operands: vec![X(&[2, 3, 4, 4]), X(&[2, 1, 4, 4])],
            why: "channels",
        },
        Case {
            op: Op::Concat { axis: 2 },
            operands: vec![X(&[2, 3, 4]), X(&[2, 3, 2]), W(&[2, 3, 1])],
            why: "three, one constant",
        },
        Case {
            op: Op::Concat { axis: 1 },
            operands: vec![X(&[2, 3])],
            why: "one operand",
        },
    ]
}

pub(super) fn slices() -> Vec<Case> {
    let case = |ranges: &[[usize; 4]], x, why| {
        let range = |[axis, start, len, step]: &[usize; 4]| Range {
            axis: *axis,
            start: *start,
            len: *len,
            step: *step,
        };
        Case {
            op: Op::Slice {
                ranges: ranges.iter().map(range).collect(),
            },
            operands: vec![X(x)],
            why,
        }
    };
    vec![
        case(&[[1, 1, 2, 1]], &[2, 4, 3, 3], "channels"),
        case(&[[2, 0, 3, 2], [3, 1, 2, 2]], &[2, 2, 5, 4], "steps"),
        case(&[[1, 5, 1, 1]], &[2, 6], "the last element"),
        case(&[[4, 1, 2, 1]], &[1, 2, 2, 2, 3], "five dimensions"),
        case(&[], &[2, 3], "everything"),
    ]
}
