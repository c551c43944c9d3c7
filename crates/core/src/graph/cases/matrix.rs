//! Dense layers and matrix products.

use super::Operand::{W, X};
use super::{Case, Operand};
use crate::graph::Op;

pub(super) fn dense_layers() -> Vec<Case> {
    let case = |x, w: Operand, why| Case {
        op: Op::Dense,
        operands: vec![X(x), w],
        why,
    };
    vec![
        case(&[3, 8], W(&[5, 8]), "a matrix"),
        case(&[1, 8], W(&[1, 8]), "one by one"),
        case(&[2, 3, 8], W(&[5, 8]), "three dimensions"),
        case(&[3, 8], X(&[5, 8]), "the kernel is computed"),
    ]
}

pub(super) fn matrix_products() -> Vec<Case> {
    let case = |transpose_a, transpose_b, a, b, why| Case {
        op: Op::BatchMatmul {
            transpose_a,
            transpose_b,
        },
        operands: vec![a, b],
        why,
    };
    vec![
        case(false, false, X(&[2, 3, 4]), X(&[2, 4, 5]), "as they are"),
        case(false, true, X(&[2, 3, 4]), X(&[2, 5, 4]), "b transposed"),
        case(true, false, X(&[2, 4, 3]), X(&[2, 4, 5]), "a transposed"),
        case(true, true, X(&[2, 4, 3]), X(&[2, 5, 4]), "both transposed"),
        case(
            false,
            true,
            X(&[2, 3, 4]),
            W(&[1, 5, 4]),
            "one constant matrix for all rows",
        ),
    ]
}
