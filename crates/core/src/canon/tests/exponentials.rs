//! Functions with exponentials by functions of a DLA.

use super::{Net, canonical};
use crate::graph::{Activation, BinaryKind, Graph, Op, TensorId, UnaryKind};
use crate::split::{Chip, DlaTarget, Precision, Verdict, Version, verdict};

type Function = fn(&mut Net, TensorId) -> TensorId;

fn exp(n: &mut Net, x: TensorId) -> TensorId {
    n.op(Op::Unary(UnaryKind::Exp), &[x])
}

/// As TVM's ONNX front end writes it.
fn elu(n: &mut Net, x: TensorId) -> TensorId {
    let (one, slope) = (n.c(1.0), n.c(-0.7));
    let power = exp(n, x);
    let below = n.binary(BinaryKind::Sub, one, power);
    let below = n.relu(below);
    let below = n.binary(BinaryKind::Mul, slope, below);
    let above = n.relu(x);
    n.binary(BinaryKind::Add, below, above)
}

fn celu(n: &mut Net, x: TensorId) -> TensorId {
    let (zero, one, two) = (n.c(0.0), n.c(1.0), n.c(2.0));
    let near = n.binary(BinaryKind::Div, x, two);
    let power = exp(n, near);
    let below = n.binary(BinaryKind::Sub, power, one);
    let below = n.binary(BinaryKind::Mul, two, below);
    let below = n.binary(BinaryKind::Min, zero, below);
    let above = n.binary(BinaryKind::Max, zero, x);
    n.binary(BinaryKind::Add, above, below)
}

fn softplus(n: &mut Net, x: TensorId) -> TensorId {
    let one = n.c(1.0);
    let power = exp(n, x);
    let sum = n.binary(BinaryKind::Add, power, one);
    n.op(Op::Unary(UnaryKind::Log), &[sum])
}

fn log_sigmoid(n: &mut Net, x: TensorId) -> TensorId {
    let s = n.op(Op::Activation(Activation::Sigmoid), &[x]);
    n.op(Op::Unary(UnaryKind::Log), &[s])
}

fn graph(function: Function) -> Graph {
    let mut n = Net::new();
    let x = n.x(&[1, 3, 4, 4]);
    let x = n.conv(x, 1, 1, 0);
    let y = function(&mut n, x);
    let y = n.conv(y, 1, 1, 0);
    n.finish(&[y])
}

#[test]
fn orins_dla_runs_functions_with_exponentials() {
    let functions: [(Function, &str); 4] = [
        (elu, "ELU"),
        (celu, "CELU"),
        (softplus, "softplus"),
        (log_sigmoid, "logarithm of a sigmoid"),
    ];
    let target = DlaTarget {
        chip: Chip::Orin,
        tensorrt: Version(10, 3, 0),
        precision: Precision::Fp16,
    };
    for (function, why) in functions {
        let after = canonical(&graph(function), why);
        for node in &after.nodes {
            let verdict = verdict(&after, node, &target);
            assert_eq!(verdict, Verdict::Dla, "{why}: {}", after.text());
        }
    }
}
