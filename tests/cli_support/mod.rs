//! A small artifact on disk, and the program that runs it.
#![allow(dead_code)] // each test program uses its part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::graph::{
    Activation, Conv2d, DType, Graph, GraphBuilder, Op, Padding2d, Pool2d, PoolKind, ReduceKind, TensorId,
};

/// A folder with `net.dla`: conv, relu, max pool | flatten, dense over `x[2, 3, 6, 6]`, giving `[2, 5]`.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("net.dla", &bundle(classifier(), "none").to_bytes());
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Writes float32 values that are small integers.
    pub fn npy(&self, name: &str, shape: &[usize]) {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
        let array = ndarray::ArrayD::from_shape_vec(shape, values).unwrap();
        ndarray_npy::write_npy(self.path(name), &array).unwrap();
    }

    pub fn read(&self, name: &str) -> ndarray::ArrayD<f32> {
        ndarray_npy::read_npy(self.path(name)).unwrap()
    }

    /// Runs the program in this folder; the words of `line` are its arguments.
    pub fn run(&self, line: &str) -> Run {
        let output = self.command(line).output().unwrap();
        Run::of(line, output)
    }

    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tvm-dla"));
        command.args(line.split_whitespace());
        command.current_dir(self.0.path());
        let variables = [
            "BACKEND",
            "THREADS",
            "ONNXRUNTIME",
            "TENSORRT",
            "CUDART",
            "TVM_RUNTIME",
            "TIME_LIMIT",
            "PYTHON",
            "BOARD",
            "NO_ADAPT",
        ];
        for name in variables {
            command.env_remove(format!("TVM_DLA_{name}"));
        }
        command
    }

    /// Everything in the folder, by name.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

/// What the program did.
pub struct Run {
    pub line: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(line: &str, output: Output) -> Run {
        Run {
            line: line.to_string(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The JSON object it printed.
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}: {}", self.line, self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    pub fn expect(self, code: i32) -> Run {
        let Run { line, stderr, .. } = &self;
        assert_eq!(self.code, Some(code), "{line}: {stderr}");
        self
    }
}

pub fn bundle(graph: Graph, preprocess: &str) -> Bundle {
    let options = Options {
        preprocess: Some(preprocess.parse().unwrap()),
        ..Options::default()
    };
    Bundle {
        graph,
        options,
        plan: None,
        origin: None,
        kept: Vec::new(),
    }
}

/// A convolution with rectifier over `x[1, 3, 6, 6]`, and what follows it.
pub fn headed(dtype: DType, head: &[Op]) -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input_of("x", &[1, 3, 6, 6], dtype);
    let mut y = convolution(&mut b, x, [8, 3], 1);
    for (at, op) in head.iter().enumerate() {
        let last = at + 1 == head.len();
        let dtype = if last { dtype } else { DType::F32 };
        let name = format!("head{at}");
        y = b.node_of(&name, op.clone(), &[y], dtype).unwrap();
    }
    b.output(y);
    b.finish().unwrap()
}

/// Networks whose output has no dimension for rows: boxes of a detector, classes without one, a mean over everything.
pub fn without_batch() -> [(&'static str, Graph, Vec<usize>); 3] {
    let turned = Op::Transpose {
        axes: vec![0, 2, 3, 1],
    };
    let boxes = Op::Reshape { dims: vec![-1, 4] };
    let pool = Op::GlobalPool(PoolKind::Average);
    let squeezed = Op::Squeeze { axes: vec![0, 2, 3] };
    let mean = Op::Reduce {
        kind: ReduceKind::Mean,
        axes: vec![0, 1, 2, 3],
        keepdims: false,
    };
    let net = |head: &[Op]| headed(DType::F32, head);
    [
        ("boxes", net(&[turned, boxes]), vec![72, 4]),
        ("squeeze", net(&[pool, squeezed]), vec![8]),
        ("scalar", net(&[mean]), vec![]),
    ]
}

/// Small integers everywhere: float32 computes them exactly.
pub fn classifier() -> Graph {
    let mut b = GraphBuilder::new("classifier");
    let x = b.input("x", &[2, 3, 6, 6]);
    let c = convolution(&mut b, x, [4, 3], 3);
    let r = b.node("relu", Op::Activation(Activation::Relu), &[c]).unwrap();
    let p = b.node("pool", Op::Pool2d(halving()), &[r]).unwrap();
    let f = b.node("flat", Op::Flatten, &[p]).unwrap();
    let w = b.weight("dense_w", &[5, 16], small_integers(80));
    let y = b.node("dense", Op::Dense, &[f, w]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

/// Rows that depend on each other: a convolution over `x[2, 3, 6, 6]`, and shares of it among the two rows.
pub fn mixing() -> Graph {
    let mut b = GraphBuilder::new("mixing");
    let x = b.input("x", &[2, 3, 6, 6]);
    let c = convolution(&mut b, x, [8, 3], 1);
    let y = b.node("shares", Op::Softmax { axis: 0 }, &[c]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

/// Networks over two rows `x[2, 3, 6, 6]` whose outputs hold them elsewhere or not at all, with the shapes of the outputs: axis
/// 0 moves away, ends another axis, is summed away, everything is; or one output of two has the rows.
pub fn elsewhere() -> Vec<(&'static str, Graph, Vec<Vec<usize>>)> {
    let transpose = |axes: &[usize]| Op::Transpose { axes: axes.to_vec() };
    let sum = |axes: &[usize]| Op::Reduce {
        kind: ReduceKind::Sum,
        axes: axes.to_vec(),
        keepdims: false,
    };
    let merged = Op::Reshape { dims: vec![16, 36] };
    let heads: [(&str, Vec<Op>, Vec<usize>); 6] = [
        ("moved", vec![transpose(&[1, 0, 2, 3])], vec![8, 2, 6, 6]),
        ("between", vec![transpose(&[2, 0, 1, 3])], vec![6, 2, 8, 6]),
        ("merged", vec![transpose(&[1, 0, 2, 3]), merged], vec![16, 36]),
        ("summed", vec![sum(&[0])], vec![8, 6, 6]),
        ("scalar", vec![sum(&[0, 1, 2, 3])], vec![]),
        (
            "shares",
            vec![Op::Softmax { axis: 0 }, transpose(&[1, 0, 2, 3])],
            vec![8, 2, 6, 6],
        ),
    ];
    let two = |head: &[Op], both: bool| {
        let mut b = GraphBuilder::new("net");
        let x = b.input("x", &[2, 3, 6, 6]);
        let c = convolution(&mut b, x, [8, 3], 1);
        let mut y = c;
        for (at, op) in head.iter().enumerate() {
            y = b.node(&format!("head{at}"), op.clone(), &[y]).unwrap();
        }
        if both {
            let relu = Op::Activation(Activation::Relu);
            let rows = b.node("rows", relu, &[c]).unwrap();
            b.output(rows);
        }
        b.output(y);
        b.finish().unwrap()
    };
    let alone = heads
        .into_iter()
        .map(|(name, head, shape)| (name, two(&head, false), vec![shape]));
    let beside = two(&[sum(&[0])], true);
    let beside = ("beside", beside, vec![vec![2, 8, 6, 6], vec![8, 6, 6]]);
    alone.chain([beside]).collect()
}

/// Some milliseconds of work per row, little memory: `x[1, 3, 48, 48]` to `[1, 64, 1, 1]`.
pub fn slow() -> Graph {
    let mut b = GraphBuilder::new("slow");
    let x = b.input("x", &[1, 3, 48, 48]);
    let c = convolution(&mut b, x, [64, 3], 11);
    let y = b.node("mean", Op::GlobalPool(PoolKind::Average), &[c]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

/// Two inputs of two numbers, added.
pub fn sum() -> Graph {
    let mut b = GraphBuilder::new("sum");
    let (left, right) = (b.input("left", &[1, 2]), b.input("right", &[1, 2]));
    let op = Op::Binary(tvm_dla::graph::BinaryKind::Add);
    let y = b.node("sum", op, &[left, right]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

fn convolution(b: &mut GraphBuilder, x: TensorId, channels: [usize; 2], side: usize) -> TensorId {
    let shape = [channels[0], channels[1], side, side];
    let w = b.weight("conv_w", &shape, small_integers(shape.iter().product()));
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    b.node("conv", conv, &[x, w]).unwrap()
}

fn halving() -> Pool2d {
    Pool2d {
        kind: PoolKind::Max,
        window: [2, 2],
        stride: [2, 2],
        padding: Padding2d::default(),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: false,
    }
}

fn small_integers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i % 5) as f32 - 2.0).collect()
}

/// A PNG of one colour.
pub fn picture(path: &Path, colour: [u8; 3]) {
    let picture = image::RgbImage::from_pixel(12, 9, image::Rgb(colour));
    picture.save(path).unwrap();
}
