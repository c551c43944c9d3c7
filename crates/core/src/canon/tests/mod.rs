//! Forms before and after, and that both compute the same.

mod across;
mod arithmetic;
mod broadcast;
mod exponentials;
mod forms;
mod limits;
mod maps;
mod moves;
mod padding;
mod places;
mod resizes;
mod sides;
mod whole;
mod wide;
mod windows;

use std::collections::HashSet;

use super::canonicalise;
use crate::graph::cases::noise;
use crate::graph::reference::{array, evaluate};
use crate::graph::{
    Activation, Array, BinaryKind, Conv2d, Graph, GraphBuilder, Op, Pad, Padding2d, Pool2d, PoolKind, Range,
    TensorId,
};
use crate::split::{Chip, DlaTarget, Precision, Verdict, Version, verdict};

/// A network under construction, in few words.
pub struct Net {
    builder: GraphBuilder,
    weights: u32,
}

/// Writes a network, and gives its output.
pub type Build = fn(&mut Net) -> TensorId;

/// What a network becomes: the operators in order.
pub struct Case {
    pub build: Build,
    pub want: &'static [&'static str],
    pub why: &'static str,
}

impl Net {
    pub fn new() -> Net {
        Net {
            builder: GraphBuilder::new("net"),
            weights: 0,
        }
    }

    pub fn x(&mut self, shape: &[usize]) -> TensorId {
        let name = format!("x{}", self.builder.graph().inputs.len());
        self.builder.input(&name, shape)
    }

    pub fn op(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        let name = format!("{}_{}", op.name(), self.builder.graph().nodes.len());
        self.builder.node(&name, op, inputs).unwrap()
    }

    /// A constant of one value.
    pub fn c(&mut self, value: f32) -> TensorId {
        self.w(&[], &[value])
    }

    pub fn w(&mut self, shape: &[usize], values: &[f32]) -> TensorId {
        self.builder.weight("w", shape, values.to_vec())
    }

    /// A constant of noise.
    pub fn noise(&mut self, shape: &[usize]) -> TensorId {
        self.weights += 1;
        let values = noise(shape.iter().product(), self.weights);
        self.w(shape, &values)
    }

    pub fn binary(&mut self, kind: BinaryKind, a: TensorId, b: TensorId) -> TensorId {
        self.op(Op::Binary(kind), &[a, b])
    }

    pub fn relu(&mut self, x: TensorId) -> TensorId {
        self.op(Op::Activation(Activation::Relu), &[x])
    }

    pub fn clip(&mut self, x: TensorId, min: f32, max: f32) -> TensorId {
        self.op(Op::Activation(Activation::Clip { min, max }), &[x])
    }

    /// A convolution with as many outputs as inputs.
    pub fn conv(&mut self, x: TensorId, side: usize, stride: usize, padding: usize) -> TensorId {
        let channels = self.builder.shape(x)[1];
        let w = self.noise(&[channels, channels, side, side]);
        self.op(conv(stride, Padding2d::uniform(padding)), &[x, w])
    }

    /// `top, left, bottom, right` around a map.
    pub fn pad(&mut self, x: TensorId, widths: [usize; 4], value: f32) -> TensorId {
        let [top, left, bottom, right] = widths;
        let pad = Pad {
            before: vec![0, 0, top, left],
            after: vec![0, 0, bottom, right],
            value,
        };
        self.op(Op::Pad(pad), &[x])
    }

    pub fn slice(&mut self, x: TensorId, ranges: &[(usize, usize, usize, usize)]) -> TensorId {
        let range = |(axis, start, len, step): &(usize, usize, usize, usize)| Range {
            axis: *axis,
            start: *start,
            len: *len,
            step: *step,
        };
        let ranges = ranges.iter().map(range).collect();
        self.op(Op::Slice { ranges }, &[x])
    }

    pub fn reshape(&mut self, x: TensorId, dims: &[i64]) -> TensorId {
        let dims = dims.to_vec();
        self.op(Op::Reshape { dims }, &[x])
    }

    pub fn finish(mut self, outputs: &[TensorId]) -> Graph {
        outputs.iter().for_each(|id| self.builder.output(*id));
        self.builder.finish().unwrap()
    }
}

pub fn conv(stride: usize, padding: Padding2d) -> Op {
    Op::Conv2d(Conv2d {
        stride: [stride; 2],
        padding,
        dilation: [1; 2],
        groups: 1,
    })
}

pub fn pool(kind: PoolKind, window: usize, stride: usize, padding: usize) -> Pool2d {
    Pool2d {
        kind,
        window: [window; 2],
        stride: [stride; 2],
        padding: Padding2d::uniform(padding),
        dilation: [1; 2],
        ceil_mode: false,
        count_include_pad: false,
    }
}

/// The canonical network, which computes what the network before does.
pub fn canonical(before: &Graph, why: &str) -> Graph {
    let after = canonicalise(before.clone(), &HashSet::new()).unwrap().graph;
    let input = |(seed, id): (usize, &TensorId)| {
        let shape = &before.tensor(*id).shape;
        let values = noise(shape.iter().product(), 100 + seed as u32);
        array(shape, values.iter().map(|v| v * 4.0).collect())
    };
    let inputs: Vec<Array> = before.inputs.iter().enumerate().map(input).collect();
    let (got, want) = (evaluate(&after, &inputs), evaluate(before, &inputs));
    assert_eq!(got.len(), want.len(), "{why}: number of outputs");
    for (got, want) in got.iter().zip(&want) {
        assert_eq!(got.shape, want.shape, "{why}");
        for (g, w) in got.data.iter().zip(want.data.iter()) {
            let near = (g - w).abs() <= 4e-6 * w.abs().max(1.0) || g == w;
            assert!(near, "{why}: {g} and not {w}\n{}", after.text());
        }
    }
    let again = canonicalise(after.clone(), &HashSet::new()).unwrap().graph;
    assert_eq!(again.text(), after.text(), "{why}: a canonical form is its own");
    after
}

pub fn operators(graph: &Graph) -> Vec<&'static str> {
    graph.nodes.iter().map(|node| node.op.name()).collect()
}

pub fn check(cases: &[Case]) {
    for case in cases {
        let mut net = Net::new();
        let y = (case.build)(&mut net);
        let after = canonical(&net.finish(&[y]), case.why);
        assert_eq!(operators(&after), case.want, "{}\n{}", case.why, after.text());
    }
}

/// Networks that must become one, but for names.
pub fn one(spellings: &[(Build, &str)]) -> Graph {
    let forms = spellings.iter().map(|(build, why)| {
        let mut net = Net::new();
        let y = build(&mut net);
        (unnamed(canonical(&net.finish(&[y]), why)), *why)
    });
    let forms: Vec<(Graph, &str)> = forms.collect();
    for (form, why) in &forms[1..] {
        assert_eq!(form.text(), forms[0].0.text(), "{why}");
        for (a, b) in form.tensors.iter().zip(&forms[0].0.tensors) {
            assert_close(a.weight.as_deref(), b.weight.as_deref(), why);
        }
    }
    forms[0].0.clone()
}

/// Every node runs on the last Xavier's DLA and on Orin's.
pub fn on_dla(graph: &Graph, why: &str) {
    let targets = [(Chip::Xavier, Version(8, 5, 2)), (Chip::Orin, Version(10, 3, 0))];
    for (chip, tensorrt) in targets {
        let target = DlaTarget {
            chip,
            tensorrt,
            precision: Precision::Fp16,
        };
        for node in &graph.nodes {
            let verdict = verdict(graph, node, &target);
            assert_eq!(verdict, Verdict::Dla, "{why} on {chip:?}: {}", node.name);
        }
    }
}

fn assert_close(a: Option<&Vec<u8>>, b: Option<&Vec<u8>>, why: &str) {
    use crate::graph::reference::floats;
    let floats = |data: Option<&Vec<u8>>| data.map(|bytes| floats(bytes)).unwrap_or_default();
    for (a, b) in floats(a).into_iter().zip(floats(b)) {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{why}: {a} and not {b}");
    }
}

fn unnamed(mut graph: Graph) -> Graph {
    graph.tensors.iter_mut().for_each(|t| t.name.clear());
    graph.nodes.iter_mut().for_each(|n| n.name.clear());
    graph
}
