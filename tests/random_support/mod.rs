//! Random networks that fold, move and mix their rows.

use tvm_dla::graph::{Activation, BinaryKind, Graph, GraphBuilder, Op, ReduceKind, TensorId};

/// A network from a list of numbers: each picks an operator and how it is applied.
pub fn network(batch: usize, picks: &[u32]) -> Graph {
    let mut b = GraphBuilder::new("random");
    let mut x = b.input("x", &[batch, 2, 3, 4]);
    for (at, pick) in picks.iter().enumerate() {
        x = step(&mut b, x, &format!("n{at}"), *pick).unwrap_or(x);
    }
    let y = b.node("y", Op::Activation(Activation::Sigmoid), &[x]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

/// One operator more; `None` where it does not fit the shape.
fn step(b: &mut GraphBuilder, x: TensorId, name: &str, pick: u32) -> Option<TensorId> {
    let shape = b.shape(x).to_vec();
    let how = (pick / 8) as usize;
    let axis = how % shape.len();
    match pick % 8 {
        0 | 1 => b.node(name, reshape(&shape, how), &[x]).ok(),
        2 | 3 => {
            let mut axes: Vec<usize> = (0..shape.len()).collect();
            axes.swap(axis, (how / 7) % shape.len());
            b.node(name, Op::Transpose { axes }, &[x]).ok()
        }
        4 => b.node(name, Op::Softmax { axis }, &[x]).ok(),
        5 if shape.len() == 3 => {
            let matmul = Op::BatchMatmul {
                transpose_a: how.is_multiple_of(2),
                transpose_b: !how.is_multiple_of(2),
            };
            b.node(name, matmul, &[x, x]).ok()
        }
        5 => {
            let (kind, axes, keepdims) = (ReduceKind::Max, vec![axis], true);
            let reduce = Op::Reduce { kind, axes, keepdims };
            b.node(name, reduce, &[x]).ok()
        }
        6 => constant(b, x, name, &shape, how),
        _ => match shape[axis] {
            1 if shape.len() > 1 => b.node(name, Op::Squeeze { axes: vec![axis] }, &[x]).ok(),
            _ if shape.len() < 5 => b.node(name, Op::ExpandDims { axis, count: 1 }, &[x]).ok(),
            _ => None,
        },
    }
}

/// Two neighbouring axes become one, or one becomes two.
fn reshape(shape: &[usize], how: usize) -> Op {
    let mut dims: Vec<i64> = shape.iter().map(|d| *d as i64).collect();
    let axis = how % dims.len();
    let divisor = [2, 3, 4][(how / 5) % 3];
    if dims[axis] % divisor == 0 && dims.len() < 5 {
        dims[axis] /= divisor;
        dims.insert(axis + how % 2, divisor);
    } else if axis + 1 < dims.len() {
        let next = dims.remove(axis + 1);
        dims[axis] *= next;
    }
    Op::Reshape { dims }
}

/// A constant that is added, or joined along an axis.
fn constant(b: &mut GraphBuilder, x: TensorId, name: &str, shape: &[usize], how: usize) -> Option<TensorId> {
    let shape: Vec<usize> = match how % 3 {
        0 => shape[1..].to_vec(),
        _ => shape.to_vec(),
    };
    let values = (0..shape.iter().product::<usize>())
        .map(|v| (v % 5) as f32 * 0.25)
        .collect();
    let w = b.weight(&format!("{name}.w"), &shape, values);
    let axis = (how / 3) % shape.len().max(1);
    match how % 3 {
        2 => b.node(name, Op::Concat { axis }, &[x, w]).ok(),
        _ => b.node(name, Op::Binary(BinaryKind::Add), &[x, w]).ok(),
    }
}
