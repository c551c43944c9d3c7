//! Kernels and maps of operators, whatever their number of axes: the first axis, and the product of the others.

use super::layer::Geometry;
use crate::graph::{Graph, Node, Op};

/// Of an operator that multiplies, for one row.
pub(super) fn multiplying(graph: &Graph, node: &Node, rows: f64) -> Geometry {
    let shape = |index: usize| sizes(&graph.tensor(node.inputs[index]).shape);
    let (x, w, y) = (shape(0), shape(1), sizes(&graph.tensor(node.output).shape));
    match &node.op {
        Op::Conv1d(conv) => convolution(&x, &w, &y, &conv.stride, conv.groups),
        Op::Conv3d(conv) => convolution(&x, &w, &y, &conv.stride, conv.groups),
        Op::Conv2d(conv) => convolution(&x, &w, &y, &conv.stride, conv.groups),
        // One product per input position, channel, map and tap.
        Op::Deconv2d(deconv) => product(x[1], w[1..].iter().product(), folded(&x[2..]), deconv.groups),
        Op::Deconv3d(deconv) => product(x[1], w[1..].iter().product(), folded(&x[2..]), deconv.groups),
        _ => {
            let maps = y[y.len() - 1];
            let positions = y.iter().product::<f64>() / maps / rows;
            let depth = graph.node_macs(node) as f64 / y.iter().product::<f64>();
            product(depth, maps, [positions, 1.0], 1)
        }
    }
}

/// Window, stride and maps of a pooling operator.
pub(super) fn pooling(graph: &Graph, node: &Node) -> Geometry {
    let (x, y) = (
        sizes(&graph.tensor(node.inputs[0]).shape),
        sizes(&graph.tensor(node.output).shape),
    );
    let (input, output) = (folded(&x[2..]), folded(&y[2..]));
    let (kernel, stride) = match &node.op {
        Op::Pool2d(pool) => (folded(&sizes(&pool.window)), folded(&sizes(&pool.stride))),
        Op::Pool3d(pool) => (folded(&sizes(&pool.window)), folded(&sizes(&pool.stride))),
        _ => {
            let each = [0, 1].map(|axis| (input[axis] / output[axis]).ceil());
            (each, each)
        }
    };
    Geometry {
        channels: x[1],
        maps: y[1],
        kernel,
        stride,
        groups: x[1],
        input,
        output,
    }
}

fn convolution(x: &[f64], w: &[f64], y: &[f64], stride: &[usize], groups: usize) -> Geometry {
    Geometry {
        channels: x[1],
        maps: y[1],
        kernel: folded(&w[2..]),
        stride: folded(&sizes(stride)),
        groups: groups as f64,
        input: folded(&x[2..]),
        output: folded(&y[2..]),
    }
}

fn product(channels: f64, maps: f64, positions: [f64; 2], groups: usize) -> Geometry {
    Geometry {
        channels,
        maps: maps * groups as f64,
        kernel: [1.0, 1.0],
        stride: [1.0, 1.0],
        groups: groups as f64,
        input: positions,
        output: positions,
    }
}

fn sizes(shape: &[usize]) -> Vec<f64> {
    shape.iter().map(|d| *d as f64).collect()
}

fn folded(axes: &[f64]) -> [f64; 2] {
    let (first, others) = axes.split_first().unwrap_or((&1.0, &[]));
    [*first, others.iter().product()]
}
