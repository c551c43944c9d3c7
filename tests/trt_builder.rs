//! Whole networks through NVIDIA's real builder (TensorRT-RTX from PyPI, no GPU): every shape as we infer it, and an engine.
//! Nothing is executed. `REQUIRE_TENSORRT=1` turns a missing library into a failure.

mod cli_support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cli_support::Folder;
use tvm_dla::engine::precision::{folded, stored};
use tvm_dla::engine::trt::{
    BuildOptions, LibraryPaths, Product, Recipe, TensorRt, Timing, TrtVersion, built_for,
};
use tvm_dla::engine::{EngineSpec, Numerics, Precision, Ranges};
use tvm_dla::graph::{
    Activation, BinaryKind, Conv2d, Graph, GraphBuilder, Op, Padding2d, Pool2d, PoolKind, TensorId,
};
use tvm_dla::plan::Device;
use tvm_dla::split::DlaTarget;

fn environment() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/0.9")
}

/// The library, or a loud skip.
fn tensorrt() -> Option<TensorRt> {
    match TensorRt::load(&LibraryPaths::system(None, vec![environment()])) {
        Ok(tensorrt) => Some(tensorrt),
        Err(error) => {
            let required = std::env::var_os("REQUIRE_TENSORRT").is_some();
            assert!(!required, "REQUIRE_TENSORRT is set, and {error}");
            eprintln!("SKIPPED: TensorRT's builder checks nothing here: {error}");
            None
        }
    }
}

/// At the level that builds fastest.
fn recipe(numerics: Numerics) -> Recipe {
    let mut recipe = Recipe::new(numerics, DlaTarget::default());
    recipe.options.level = Some(0);
    recipe
}

/// A network under construction whose nodes are numbered.
struct Net {
    b: GraphBuilder,
    count: usize,
}

impl Net {
    fn node(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.count += 1;
        let name = format!("{}_{}", op.name(), self.count);
        self.b.node(&name, op, inputs).unwrap()
    }

    fn weight(&mut self, shape: &[usize]) -> TensorId {
        self.count += 1;
        let len: usize = shape.iter().product();
        let values = (0..len).map(|i| ((i * 37 % 19) as f32 - 9.0) / 64.0);
        let name = format!("weight_{}", self.count);
        self.b.weight(&name, shape, values.collect())
    }

    /// Convolution, batch norm and, if one is given, an activation.
    fn conv(
        &mut self,
        x: TensorId,
        [maps, side, stride, groups]: [usize; 4],
        then: Option<Activation>,
    ) -> TensorId {
        let channels = self.b.shape(x)[1];
        let kernel = self.weight(&[maps, channels / groups, side, side]);
        let conv = Op::Conv2d(Conv2d {
            stride: [stride; 2],
            padding: Padding2d::uniform(side / 2),
            dilation: [1, 1],
            groups,
        });
        let y = self.node(conv, &[x, kernel]);
        let [gamma, beta, mean] = [(); 3].map(|()| self.weight(&[maps]));
        self.count += 1;
        let name = format!("variance_{}", self.count);
        let variance = self.b.weight(&name, &[maps], vec![1.0; maps]);
        let norm = Op::BatchNorm {
            axis: 1,
            epsilon: 1e-3,
        };
        let y = self.node(norm, &[y, gamma, beta, mean, variance]);
        match then {
            Some(activation) => self.node(Op::Activation(activation), &[y]),
            None => y,
        }
    }

    fn classifier(mut self, x: TensorId, classes: usize) -> Graph {
        let channels = self.b.shape(x)[1];
        let y = self.node(Op::GlobalPool(PoolKind::Average), &[x]);
        let y = self.node(Op::Flatten, &[y]);
        let (kernel, bias) = (self.weight(&[classes, channels]), self.weight(&[classes]));
        let y = self.node(Op::Dense, &[y, kernel]);
        let y = self.node(Op::BiasAdd { axis: 1 }, &[y, bias]);
        let y = self.node(Op::Softmax { axis: 1 }, &[y]);
        self.b.output(y);
        self.b.finish().unwrap()
    }
}

fn net(batch: usize, side: usize) -> (Net, TensorId) {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[batch, 3, side, side]);
    (Net { b, count: 0 }, x)
}

const RELU6: Option<Activation> = Some(Activation::Clip { min: 0.0, max: 6.0 });
const RELU: Option<Activation> = Some(Activation::Relu);

/// Inverted residuals with depthwise convolutions.
fn mobilenet(batch: usize) -> Graph {
    let (mut n, x) = net(batch, 64);
    let mut x = n.conv(x, [16, 3, 2, 1], RELU6);
    for (maps, stride) in [(16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (64, 2), (64, 1)] {
        let inner = n.b.shape(x)[1] * 6;
        let y = n.conv(x, [inner, 1, 1, 1], RELU6);
        let y = n.conv(y, [inner, 3, stride, inner], RELU6);
        let y = n.conv(y, [maps, 1, 1, 1], None);
        x = if n.b.shape(y) == n.b.shape(x) {
            n.node(Op::Binary(BinaryKind::Add), &[x, y])
        } else {
            y
        };
    }
    n.classifier(x, 100)
}

/// Bottlenecks with projections.
fn resnet(batch: usize) -> Graph {
    let (mut n, x) = net(batch, 64);
    let x = n.conv(x, [32, 7, 2, 1], RELU);
    let pool = Op::Pool2d(Pool2d {
        kind: PoolKind::Max,
        window: [3, 3],
        stride: [2, 2],
        padding: Padding2d::uniform(1),
        dilation: [1, 1],
        ceil_mode: false,
        count_include_pad: false,
    });
    let mut x = n.node(pool, &[x]);
    for (maps, stride) in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)] {
        let y = n.conv(x, [maps / 4, 1, 1, 1], RELU);
        let y = n.conv(y, [maps / 4, 3, stride, 1], RELU);
        let y = n.conv(y, [maps, 1, 1, 1], None);
        let short = if n.b.shape(x) == n.b.shape(y) {
            x
        } else {
            n.conv(x, [maps, 1, stride, 1], None)
        };
        let sum = n.node(Op::Binary(BinaryKind::Add), &[y, short]);
        x = n.node(Op::Activation(Activation::Relu), &[sum]);
    }
    n.classifier(x, 100)
}

/// Branches of several kernels, joined.
fn inception(batch: usize) -> Graph {
    let (mut n, x) = net(batch, 32);
    let mut x = n.conv(x, [16, 3, 2, 1], RELU);
    for _ in 0..2 {
        let pool = Op::Pool2d(Pool2d {
            kind: PoolKind::Average,
            window: [3, 3],
            stride: [1, 1],
            padding: Padding2d::uniform(1),
            dilation: [1, 1],
            ceil_mode: false,
            count_include_pad: true,
        });
        let one = n.conv(x, [16, 1, 1, 1], RELU);
        let three = n.conv(x, [8, 1, 1, 1], RELU);
        let three = n.conv(three, [16, 3, 1, 1], RELU);
        let five = n.conv(x, [8, 1, 1, 1], RELU);
        let five = n.conv(five, [16, 5, 1, 1], RELU);
        let pooled = n.node(pool, &[x]);
        let pooled = n.conv(pooled, [16, 1, 1, 1], RELU);
        x = n.node(Op::Concat { axis: 1 }, &[one, three, five, pooled]);
    }
    n.classifier(x, 10)
}

/// A calibration's ranges: for what a device stores, and no more.
fn int8(graph: &Graph) -> Numerics {
    let mut ranges = Ranges::default();
    let kept = folded(graph);
    let outputs = kept.nodes.iter().zip(stored(&kept));
    let outputs = outputs.filter_map(|(node, stored)| stored.then_some(node.output));
    for id in outputs.chain(kept.inputs.iter().copied()) {
        ranges.insert(&kept.tensor(id).name, 4.0).unwrap();
    }
    Numerics {
        precision: Precision::Int8,
        ranges,
        ..Numerics::default()
    }
}

#[test]
fn whole_networks_become_engines_in_every_precision() {
    let Some(tensorrt) = tensorrt() else {
        return;
    };
    for (name, graph) in [
        ("mobilenet", mobilenet(1)),
        ("mobilenet", mobilenet(8)),
        ("resnet", resnet(2)),
        ("inception", inception(3)),
    ] {
        let absorbed = |op: &Op| matches!(op, Op::BiasAdd { .. });
        let absorbed = graph.nodes.iter().filter(|node| absorbed(&node.op)).count();
        let tensors = graph.nodes.len() - absorbed + graph.inputs.len();
        for numerics in [Numerics::default(), Numerics::of(Precision::F16), int8(&graph)] {
            let precision = numerics.precision;
            let what = format!("{name} x{} in {precision}", graph.batch());
            let built = tensorrt.build(&graph, &EngineSpec::whole(&graph, Device::Gpu), &recipe(numerics));
            let plan = built.unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(plan.bytes.len() > 10_000, "{what}: {}", plan.bytes.len());
            // Every tensor but those of biases, which are part of their layer; INT8 folds batch norms too.
            if precision != Precision::Int8 {
                assert_eq!(plan.agreed, tensors, "{what}");
            }
            eprintln!(
                "{what}: {} layers, {} shapes agree, {} bytes, by {}",
                plan.layers,
                plan.agreed,
                plan.bytes.len(),
                tensorrt.version()
            );
        }
    }
}

#[test]
fn what_cannot_be_built_says_why() {
    let Some(tensorrt) = tensorrt() else {
        return;
    };
    let graph = mobilenet(1);
    let f16 = || Numerics::of(Precision::F16);
    let cases = [
        (
            Device::Dla(0),
            recipe(f16()),
            "sees 0 DLA cores",
            "no DLA on this machine",
        ),
        (
            Device::Gpu,
            recipe(Numerics::of(Precision::Int8)),
            "has no range",
            "int8 without a calibration",
        ),
    ];
    for (device, recipe, want, why) in cases {
        let error = tensorrt
            .build(&graph, &EngineSpec::whole(&graph, device), &recipe)
            .unwrap_err();
        assert!(error.to_string().contains(want), "{why}: {error}");
        assert_eq!(error.device, device);
    }
}

#[test]
fn progress_is_reported_and_can_cancel() {
    let Some(tensorrt) = tensorrt() else {
        return;
    };
    let graph = resnet(1);
    let steps = Arc::new(AtomicUsize::new(0));
    let heard = steps.clone();
    let mut watched = recipe(Numerics::of(Precision::F16));
    watched.progress = Some(Arc::new(move |step| {
        assert!(!step.phase.is_empty());
        heard.fetch_add(1, Ordering::Relaxed);
        true
    }));
    tensorrt
        .build(&graph, &EngineSpec::whole(&graph, Device::Gpu), &watched)
        .unwrap();
    assert!(steps.load(Ordering::Relaxed) > 2, "{steps:?}");
    watched.progress = Some(Arc::new(|_| false));
    let error = tensorrt
        .build(&graph, &EngineSpec::whole(&graph, Device::Gpu), &watched)
        .unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
}

#[test]
fn kernel_times_are_kept_in_a_file() {
    let Some(tensorrt) = tensorrt() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("times.cache");
    let graph = inception(1);
    let recipe = Recipe {
        options: BuildOptions {
            timing: Timing::File(path.clone()),
            ..BuildOptions::default()
        },
        ..recipe(Numerics::of(Precision::F16))
    };
    for round in ["made", "read"] {
        let built = tensorrt.build(&graph, &EngineSpec::whole(&graph, Device::Gpu), &recipe);
        built.unwrap_or_else(|e| panic!("{round}: {e}"));
        assert!(path.metadata().unwrap().len() > 0, "{round}");
    }
}

#[test]
fn the_library_is_the_one_that_was_installed() {
    let Some(tensorrt) = tensorrt() else {
        return;
    };
    let TrtVersion { product, major, .. } = tensorrt.version();
    assert_eq!((product, major), (Product::TensorRtRtx, 1));
    assert!(tensorrt.path().starts_with(environment().canonicalize().unwrap()));
    assert_eq!(tensorrt.dla_cores().unwrap(), 0);
}

/// What a library says of itself decides, not what its file is called.
#[test]
fn a_library_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("old.c"), folder.path().join("libnvinfer.so.8"));
    // 7.1.0, which no build of this program is for.
    std::fs::write(&source, "int getInferLibVersion(void) { return 7100; }").unwrap();
    let compiler = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .unwrap();
    assert!(compiler.success());
    let built = built_for();
    let wanted: Vec<String> = if built.is_empty() {
        vec!["TENSORRT_INCLUDE".into()]
    } else {
        ["is TensorRT 7.1.0", "TENSORRT_INCLUDE"]
            .map(String::from)
            .into_iter()
            .chain(built.iter().map(TrtVersion::to_string))
            .collect()
    };
    let paths = LibraryPaths::system(Some(folder.path().to_path_buf()), vec![]);
    let loaded = TensorRt::load(&LibraryPaths::system(Some(library), vec![]));
    let error = loaded.err().unwrap().to_string();
    for part in wanted {
        assert!(error.contains(&part), "{error}");
    }
    assert!(
        TensorRt::load(&paths).is_err(),
        "the same file, found in its folder"
    );
}

/// `tvm-dla check`, for an artifact that a user has.
#[test]
fn the_command_checks_every_stage() {
    if tensorrt().is_none() {
        return;
    }
    let folder = Folder::new();
    let library = environment();
    let line = format!(
        "--json check net.dla --build-level 0 --batch 3 --tensorrt {}",
        tensorrt().unwrap().path().display()
    );
    let answer = folder.run(&line).json();
    let engines = answer["engines"].as_array().unwrap();
    let stages: Vec<_> = engines.iter().map(|e| e["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["whole", "prefix", "suffix"], "{}", library.display());
    for engine in engines {
        assert_eq!(engine["batch"], 3);
        assert_eq!(engine["refused"], serde_json::Value::Null);
        assert!(engine["bytes"].as_u64().unwrap() > 1000, "{engine}");
    }
}
