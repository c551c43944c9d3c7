use super::*;
use crate::graph::{BinaryKind, Conv2d, GraphBuilder, Op, Padding2d, Range, ReduceKind};

/// A network of one input, from the shape of a batch as compiled.
fn chain(input: &[usize], ops: &[Op]) -> Graph {
    let mut b = GraphBuilder::new("chain");
    let mut x = b.input("x", input);
    for (at, op) in ops.iter().enumerate() {
        x = b.node(&format!("n{at}"), op.clone(), &[x]).unwrap();
    }
    b.output(x);
    b.finish().unwrap()
}

fn reshape(dims: &[i64]) -> Op {
    Op::Reshape { dims: dims.to_vec() }
}

fn transpose(axes: &[usize]) -> Op {
    Op::Transpose { axes: axes.to_vec() }
}

fn softmax(axis: usize) -> Op {
    Op::Softmax { axis }
}

fn mean(axes: &[usize], keepdims: bool) -> Op {
    Op::Reduce {
        kind: ReduceKind::Mean,
        axes: axes.to_vec(),
        keepdims,
    }
}

#[test]
fn rows_are_followed_to_the_output() {
    struct Case {
        input: &'static [usize],
        ops: Vec<Op>,
        /// The shape of the output for 5 rows, or a part of the error.
        want: Result<&'static [usize], &'static str>,
        why: &'static str,
    }
    let case = |input, ops, want, why| Case {
        input,
        ops,
        want,
        why,
    };
    let slice = |axis, start, len| Op::Slice {
        ranges: vec![Range {
            axis,
            start,
            len,
            step: 1,
        }],
    };
    for Case {
        input,
        ops,
        want,
        why,
    } in [
        case(
            &[1, 8, 36],
            vec![
                reshape(&[1, 2, 4, 36]),
                reshape(&[2, 4, 36]),
                softmax(2),
                reshape(&[1, 8, 36]),
            ],
            Ok(&[5, 8, 36]),
            "heads folded into the batch",
        ),
        case(
            &[2, 8, 36],
            vec![reshape(&[4, 4, 36]), softmax(1), reshape(&[2, 8, 36])],
            Ok(&[5, 8, 36]),
            "compiled for two rows",
        ),
        case(
            &[1, 6, 6, 8],
            vec![reshape(&[-1, 8]), softmax(1), reshape(&[1, 6, 6, 8])],
            Ok(&[5, 6, 6, 8]),
            "a layer over pixels",
        ),
        case(
            &[1, 6, 6, 8],
            vec![reshape(&[-1, 4])],
            Ok(&[360, 4]),
            "boxes of all rows, one row after the other",
        ),
        case(
            &[1, 8, 4, 4],
            vec![
                transpose(&[1, 0, 2, 3]),
                Op::Activation(crate::graph::Activation::Relu),
                transpose(&[1, 0, 2, 3]),
            ],
            Ok(&[5, 8, 4, 4]),
            "axis 0 moves away and back",
        ),
        case(
            &[1, 8, 6],
            vec![
                transpose(&[1, 0, 2]),
                reshape(&[8, 6]),
                softmax(1),
                reshape(&[8, 1, 6]),
                transpose(&[1, 0, 2]),
            ],
            Ok(&[5, 8, 6]),
            "tokens first, as attention in PyTorch: the batch ends axis 0",
        ),
        case(
            &[1, 8, 6],
            vec![
                transpose(&[1, 0, 2]),
                reshape(&[8, 2, 3]),
                transpose(&[1, 0, 2]),
                softmax(2),
                transpose(&[1, 0, 2]),
                reshape(&[8, 1, 6]),
                transpose(&[1, 0, 2]),
            ],
            Ok(&[5, 8, 6]),
            "tokens first, and heads folded into the batch",
        ),
        case(
            &[1, 8, 1, 1],
            vec![Op::Squeeze { axes: vec![0, 2, 3] }],
            Ok(&[40]),
            "a batch of one squeezed away",
        ),
        case(
            &[1, 8],
            vec![
                Op::ExpandDims { axis: 0, count: 1 },
                softmax(2),
                Op::Squeeze { axes: vec![0] },
            ],
            Ok(&[5, 8]),
            "an axis before the batch",
        ),
        case(
            &[1, 8, 3],
            vec![Op::Flatten, softmax(1)],
            Ok(&[5, 24]),
            "flattened",
        ),
        case(
            &[1, 3, 8],
            vec![
                transpose(&[1, 0, 2]),
                slice(0, 1, 1),
                Op::Squeeze { axes: vec![0] },
            ],
            Ok(&[5, 8]),
            "one of three stacked parts",
        ),
        case(
            &[1, 8],
            vec![softmax(0)],
            Err("along axis 0"),
            "softmax over the rows",
        ),
        case(
            &[1, 8, 6],
            vec![transpose(&[1, 0, 2]), softmax(1), transpose(&[1, 0, 2])],
            Err("along axis 1"),
            "softmax over the rows where they are",
        ),
        case(
            &[2, 8],
            vec![mean(&[0], true)],
            Err("along axis 0"),
            "the mean of all rows",
        ),
        case(
            &[1, 8, 2],
            vec![mean(&[0, 1, 2], false)],
            Err("along axis 0"),
            "the mean of everything",
        ),
        case(
            &[2, 8],
            vec![slice(0, 0, 1)],
            Err("along axis 0"),
            "the first row",
        ),
        case(
            &[4, 6],
            vec![reshape(&[3, 8])],
            Err("keeps the rows"),
            "rows cut in pieces",
        ),
        case(&[1, 1], vec![reshape(&[])], Err("keeps the rows"), "a scalar"),
    ] {
        let graph = chain(input, &ops);
        let wide = graph.with_batch(5);
        match want {
            Ok(shape) => {
                let wide = wide.unwrap_or_else(|e| panic!("{why}: {e}"));
                wide.validate().unwrap();
                assert_eq!(wide.tensor(wide.outputs[0]).shape, shape, "{why}");
                assert_eq!(wide.batch(), 5, "{why}");
                let back = wide.with_batch(input[0]).unwrap();
                assert_eq!(
                    back.tensor(back.outputs[0]).shape,
                    graph.tensor(graph.outputs[0]).shape,
                    "{why}"
                );
            }
            Err(text) => {
                let error = wide.unwrap_err().to_string();
                assert!(error.contains(text), "{why}: {error}");
            }
        }
        assert_eq!(
            graph.with_batch(graph.batch()).unwrap(),
            graph,
            "{why}: as compiled"
        );
    }
}

#[test]
fn what_all_rows_read_is_broadcast_or_repeated() {
    struct Case {
        x: &'static [usize],
        op: Op,
        weight: (&'static [usize], Vec<f32>),
        want: Result<usize, &'static str>,
        why: &'static str,
    }
    let count = |n: usize| (0..n).map(|v| v as f32).collect::<Vec<_>>();
    let add = Op::Binary(BinaryKind::Add);
    let matmul = Op::BatchMatmul {
        transpose_a: false,
        transpose_b: false,
    };
    for Case {
        x,
        op,
        weight: (shape, values),
        want,
        why,
    } in [
        Case {
            x: &[1, 2, 3],
            op: add.clone(),
            weight: (&[1, 2, 3], count(6)),
            want: Ok(6),
            why: "an embedding of positions is broadcast",
        },
        Case {
            x: &[1, 2, 3],
            op: add.clone(),
            weight: (&[3], count(3)),
            want: Ok(3),
            why: "a bias",
        },
        Case {
            x: &[1, 2, 3],
            op: Op::Concat { axis: 1 },
            weight: (&[1, 1, 3], count(3)),
            want: Ok(9),
            why: "a class token for every row",
        },
        Case {
            x: &[2, 2],
            op: add.clone(),
            weight: (&[2, 2], vec![1.0, 2.0, 1.0, 2.0]),
            want: Ok(6),
            why: "a row that a constant of two rows repeats",
        },
        Case {
            x: &[2, 2],
            op: add.clone(),
            weight: (&[2, 2], count(4)),
            want: Err("not one row per image"),
            why: "another constant for each row",
        },
        Case {
            x: &[1, 2, 3],
            op: matmul.clone(),
            weight: (&[1, 3, 4], count(12)),
            want: Ok(12),
            why: "one matrix for all",
        },
        Case {
            x: &[2, 2, 3],
            op: matmul,
            weight: (&[2, 3, 1], count(6)),
            want: Err("not one row per image"),
            why: "a matrix for each row",
        },
        Case {
            x: &[1, 3],
            op: add,
            weight: (&[4, 3], count(12)),
            want: Err("not one row per image"),
            why: "a row against four",
        },
    ] {
        let mut b = GraphBuilder::new("two");
        let id = b.input("x", x);
        let w = b.weight("w", shape, values);
        let y = b.node("y", op, &[id, w]).unwrap();
        b.output(y);
        let wide = b.finish().unwrap().with_batch(3);
        match want {
            Ok(elements) => {
                let wide = wide.unwrap_or_else(|e| panic!("{why}: {e}"));
                wide.validate().unwrap();
                let w = wide.tensor(wide.nodes[0].inputs[1]);
                assert_eq!(w.shape.iter().product::<usize>(), elements, "{why}");
            }
            Err(text) => {
                let error = wide.unwrap_err().to_string();
                assert!(error.contains(text), "{why}: {error}");
            }
        }
    }
}

fn conv() -> Op {
    Op::Conv2d(Conv2d {
        stride: [1; 2],
        padding: Padding2d::uniform(0),
        dilation: [1; 2],
        groups: 1,
    })
}

/// A picture without a batch dimension, which the network gives itself.
#[test]
fn channels_are_no_rows() {
    let mut b = GraphBuilder::new("picture");
    let x = b.input("x", &[3, 4, 4]);
    let w = b.weight("w", &[3, 3, 1, 1], vec![0.5; 9]);
    let up = b.node("up", Op::ExpandDims { axis: 0, count: 1 }, &[x]).unwrap();
    let y = b.node("conv", conv(), &[up, w]).unwrap();
    let y = b.node("down", Op::Squeeze { axes: vec![0] }, &[y]).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    assert_eq!((graph.rows(), graph.batch()), (None, 1));
    let error = graph.apart().unwrap_err().to_string();
    assert!(
        error.contains("`conv` (conv2d), axis 1 is its channels"),
        "{error}"
    );
}

#[test]
fn rows_have_the_model_s_shapes_or_an_axis_of_their_own() {
    let boxes = chain(&[1, 6, 6, 8], &[reshape(&[-1, 4])]);
    let four = chain(&[4, 6, 6, 8], &[reshape(&[-1, 4])]);
    let scalar = chain(&[1, 8], &[mean(&[0, 1], false)]);
    let plain = chain(&[2, 8], &[softmax(1)]);
    for (graph, rows, want, why) in [
        (&boxes, 1, vec![72, 4], "as compiled"),
        (&boxes, 3, vec![3, 72, 4], "boxes of three pictures"),
        (&four, 4, vec![288, 4], "as compiled for four"),
        (&four, 1, vec![1, 72, 4], "one of four"),
        (&scalar, 1, vec![], "a scalar"),
        (&scalar, 2, vec![2], "two scalars"),
        (&plain, 7, vec![7, 8], "rows along axis 0"),
    ] {
        let shape = &graph.row_shapes(&graph.outputs)[0];
        assert_eq!(shape.of(rows), want, "{why}");
        assert_eq!(shape.rows(&want), Some(rows), "{why}");
    }
    let input = &boxes.row_shapes(&boxes.inputs)[0];
    assert_eq!(input.rows(&[5, 6, 6, 8]), Some(5));
    assert_eq!(input.rows(&[5, 6, 6, 9]), None);
    assert!(boxes.apart().is_ok() && scalar.apart().is_err());
}

/// A convolution over four rows and what follows it: the compiled batch stays the unit, whatever the outputs hold.
#[test]
fn a_batch_is_a_batch_wherever_the_outputs_hold_it() {
    struct Case {
        head: Vec<Op>,
        /// For four rows and for eight.
        want: [&'static [usize]; 2],
        batched: bool,
        why: &'static str,
    }
    let case = |head, want, batched, why| Case {
        head,
        want,
        batched,
        why,
    };
    for Case {
        head,
        want,
        batched,
        why,
    } in [
        case(
            vec![transpose(&[1, 0, 2, 3])],
            [&[8, 4, 2, 2], &[2, 8, 4, 2, 2]],
            false,
            "axis 0 moves away",
        ),
        case(
            vec![transpose(&[2, 0, 1, 3])],
            [&[2, 4, 8, 2], &[2, 2, 4, 8, 2]],
            false,
            "axis 0 moves between others",
        ),
        case(
            vec![transpose(&[1, 0, 2, 3]), reshape(&[32, 4])],
            [&[32, 4], &[2, 32, 4]],
            false,
            "it ends another axis",
        ),
        case(
            vec![reshape(&[-1])],
            [&[128], &[8, 32]],
            false,
            "it begins another axis",
        ),
        case(
            vec![mean(&[0], false)],
            [&[8, 2, 2], &[2, 8, 2, 2]],
            false,
            "a mean over the batch",
        ),
        case(
            vec![mean(&[0], true)],
            [&[1, 8, 2, 2], &[2, 1, 8, 2, 2]],
            false,
            "the same, and a dimension that is left",
        ),
        case(vec![mean(&[0, 1, 2, 3], false)], [&[], &[2]], false, "a number"),
        case(
            vec![mean(&[1, 2], false), softmax(0), transpose(&[1, 0])],
            [&[2, 4], &[2, 2, 4]],
            false,
            "rows are mixed, and then move",
        ),
        case(
            vec![softmax(0)],
            [&[4, 8, 2, 2], &[8, 8, 2, 2]],
            true,
            "rows are mixed, and stay where they are",
        ),
        case(
            vec![softmax(0), transpose(&[1, 0, 2, 3]), transpose(&[1, 0, 2, 3])],
            [&[4, 8, 2, 2], &[8, 8, 2, 2]],
            true,
            "mixed, away and back",
        ),
    ] {
        let mut b = GraphBuilder::new("four");
        let x = b.input("x", &[4, 3, 2, 2]);
        let w = b.weight("w", &[8, 3, 1, 1], vec![0.5; 24]);
        let mut y = b.node("conv", conv(), &[x, w]).unwrap();
        for (at, op) in head.into_iter().enumerate() {
            y = b.node(&format!("n{at}"), op, &[y]).unwrap();
        }
        b.output(y);
        let graph = b.finish().unwrap();
        assert_eq!(graph.batch(), 4, "{why}");
        let input = &graph.row_shapes(&graph.inputs)[0];
        assert_eq!(input.rows(&[8, 3, 2, 2]), Some(8), "{why}");
        let output = &graph.row_shapes(&graph.outputs)[0];
        assert_eq!([output.of(4), output.of(8)], want, "{why}");
        assert_eq!(output.batched, batched, "{why}");
        for (rows, shape) in [(4, want[0]), (8, want[1])] {
            assert_eq!(output.rows(shape), Some(rows), "{why}");
        }
    }
    // Whatever has four places and no operator with a batch may be a picture without one.
    let picture = chain(&[4, 6, 6], &[transpose(&[1, 2, 0])]);
    assert_eq!(picture.rows(), None);
}
