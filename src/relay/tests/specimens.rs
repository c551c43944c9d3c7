//! One call of every operator that has a reader, made without Relay.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::relay::attrs::Attrs;
use crate::relay::error::RelayError;
use crate::relay::expr::{Call, Operand, TensorType};
use crate::relay::ops::{Meaning, READERS, Step, read};
use crate::session::default_search;
use crate::tvm::{NDArray, open};

/// What a call becomes.
#[derive(Debug, PartialEq)]
pub enum Becomes {
    /// One operator of ours.
    One(&'static str),
    /// Several, each once, in the order in which they are computed.
    Several(Vec<&'static str>),
    /// Nothing: its operand.
    Nothing,
    /// It stays with TVM.
    Refused(String),
}

/// What a call says where an operator does not say otherwise: attributes that it does not have are not read.
const ATTRIBUTES: &str = "strides=1 padding=0 dilation=1 output_padding=0 groups=1 pool_size=2 ceil_mode=0 \
    count_include_pad=0 output_size=2,2 layout=NCHW data_layout=NCHW kernel_layout=OIHW out_layout= axis=1 exclude=0 \
    keepdims=1 epsilon=1e-5 eps=1e-5 scale=1 center=1 alpha=0.1 beta=0.75 bias=1 size=5 a_min=0 a_max=6 num_groups=2 \
    transpose_a=0 transpose_b=0 batch_dims=0 mode=clip block_size=2 align_corners=0 num_newaxis=1 \
    pad_width=0,0,0,0,1,1,1,1 begin=0,0,0,0 slice_mode=end";

/// An operator, its operands (`!` marks constants, of ones, and `~` such of ones and zeros in turn), the shape of its
/// result, and attributes of its own.
type Specimen = (&'static str, &'static str, &'static str, &'static str);

const MAP: &str = "1,4,8,8";

/// Operators whose calls differ from a function of one map.
const SPECIMENS: &[Specimen] = &[
    (
        "nn.conv1d",
        "1,4,8 !4,4,1",
        "1,4,8",
        "data_layout=NCW kernel_layout=OIW",
    ),
    ("nn.conv2d", "1,4,8,8 !4,4,1,1", MAP, ""),
    (
        "nn.conv3d",
        "1,4,8,8,8 !4,4,1,1,1",
        "1,4,8,8,8",
        "data_layout=NCDHW kernel_layout=OIDHW",
    ),
    (
        "nn.conv1d_transpose",
        "1,4,8 !4,4,1",
        "1,4,8",
        "data_layout=NCW kernel_layout=IOW",
    ),
    (
        "nn.conv2d_transpose",
        "1,4,8,8 !4,4,1,1",
        MAP,
        "kernel_layout=IOHW",
    ),
    (
        "nn.conv3d_transpose",
        "1,4,8,8,8 !4,4,1,1,1",
        "1,4,8,8,8",
        "data_layout=NCDHW kernel_layout=IODHW",
    ),
    ("nn.dense", "1,4 !4,4", "1,4", ""),
    ("nn.matmul", "1,4 !4,4", "1,4", "transpose_b=1"),
    ("nn.batch_matmul", "1,4,8 1,8,4", "1,4,4", ""),
    ("nn.bias_add", "1,4,8,8 !4", MAP, ""),
    ("nn.batch_norm", "1,4,8,8 !4 !4 !4 !4", MAP, ""),
    ("nn.layer_norm", "1,4,8,8 !4 !4", MAP, ""),
    ("nn.instance_norm", "1,4,8,8 !4 !4", MAP, ""),
    ("nn.group_norm", "1,4,8,8 !4 !4", MAP, ""),
    ("nn.prelu", "1,4,8,8 !4", MAP, ""),
    ("variance", "1,4,8,8 1,1,8,8", "1,1,8,8", ""),
    ("nn.max_pool1d", "1,4,8", "1,4,7", "layout=NCW"),
    ("nn.avg_pool1d", "1,4,8", "1,4,7", "layout=NCW"),
    ("nn.max_pool3d", "1,4,8,8,8", "1,4,7,7,7", "layout=NCDHW"),
    ("nn.avg_pool3d", "1,4,8,8,8", "1,4,7,7,7", "layout=NCDHW"),
    ("nn.adaptive_max_pool1d", "1,4,8", "1,4,2", "layout=NCW"),
    ("nn.adaptive_avg_pool1d", "1,4,8", "1,4,2", "layout=NCW"),
    ("nn.adaptive_max_pool3d", "1,4,8,8,8", "1,4,2,2,2", "layout=NCDHW"),
    ("nn.adaptive_avg_pool3d", "1,4,8,8,8", "1,4,2,2,2", "layout=NCDHW"),
    (
        "image.resize2d",
        MAP,
        "1,4,16,16",
        "method=linear coordinate_transformation_mode=half_pixel rounding_method=",
    ),
    ("nn.upsampling", MAP, "1,4,16,16", "method=nearest_neighbor"),
    ("nn.pad", "1,4,8,8 !", "1,4,10,10", ""),
    ("nn.mirror_pad", MAP, "1,4,10,10", "mode=REFLECT"),
    ("nn.depth_to_space", MAP, "1,1,16,16", "mode=DCR"),
    ("nn.space_to_depth", MAP, "1,16,4,4", ""),
    ("take", "1,4,8,8 !2", "1,2,8,8", ""),
    ("gather", "1,4,8,8 !1,2,8,8", "1,2,8,8", ""),
    ("gather_nd", "4,8,8 !1,2", "2,8,8", ""),
    ("slice_like", "1,4,8,8 1,2,8,8", "1,2,8,8", ""),
    ("stack", "1,4,8,8 1,4,8,8", "1,2,4,8,8", ""),
    ("broadcast_to", "1,4,1,1", MAP, ""),
    ("broadcast_to_like", "1,4,1,1 1,4,8,8", MAP, ""),
    ("tile", MAP, "1,8,8,8", ""),
    ("repeat", MAP, "1,8,8,8", ""),
    ("where", "~1,4,8,8 1,4,8,8 1,4,8,8", MAP, ""),
    ("concatenate", "1,4,8,8 1,4,8,8", "1,8,8,8", ""),
    ("nn.batch_flatten", MAP, "1,256", ""),
    ("reshape", MAP, "1,4,64", ""),
    ("reshape_like", "1,4,8,8 1,4,64", "1,4,64", ""),
    ("contrib_reverse_reshape", MAP, "1,4,64", ""),
    ("squeeze", MAP, "4,8,8", "axis=0"),
    ("expand_dims", MAP, "1,1,4,8,8", ""),
    ("transpose", MAP, "1,8,8,4", "axes=0,2,3,1"),
    (
        "layout_transform",
        MAP,
        "1,8,8,4",
        "src_layout=NCHW dst_layout=NHWC",
    ),
    ("strided_slice", MAP, "1,2,8,8", ""),
];

/// Every operator with a reader, by Relay's name, and what its specimen becomes.
pub fn all() -> Vec<(&'static str, Becomes)> {
    let becomes = |(name, _): &(&'static str, _)| (*name, becomes(name));
    READERS.iter().map(becomes).collect()
}

fn becomes(name: &'static str) -> Becomes {
    let call = call(name);
    match read(&call) {
        Ok(taken) => kind(&taken),
        Err(RelayError::NotTaken { reason, .. }) => Becomes::Refused(reason),
        Err(other) => panic!("{name}: {other}"),
    }
}

fn kind(taken: &Meaning) -> Becomes {
    match taken {
        Meaning::Op { op, .. } => Becomes::One(op.name()),
        Meaning::InOrder { taken, .. } => kind(taken),
        Meaning::Split { .. } => Becomes::One("strided_slice"),
        Meaning::Identity | Meaning::Cast => Becomes::Nothing,
        Meaning::Several(several) => {
            let mut names: Vec<&'static str> = Vec::new();
            for step in &several.steps {
                match step {
                    Step::Apply { op, .. } if !names.contains(&op.name()) => names.push(op.name()),
                    Step::Apply { .. } | Step::Constant { .. } => {}
                }
            }
            match names[..] {
                [only] => Becomes::One(only),
                _ => Becomes::Several(names),
            }
        }
    }
}

fn call(name: &'static str) -> Call {
    let binary = [
        "add", "subtract", "multiply", "divide", "power", "maximum", "minimum",
    ];
    let found = SPECIMENS.iter().find(|(op, ..)| *op == name);
    let (_, operands, result, own) = match found {
        Some(specimen) => *specimen,
        None if binary.contains(&name) || name.ends_with("_divide") => (name, "1,4,8,8 1,4,8,8", MAP, ""),
        None => (name, MAP, MAP, ""),
    };
    let result = shape(result);
    Call {
        op: name.to_string(),
        operands: operands.split(' ').map(operand).collect(),
        attrs: Attrs::listed(name, attributes(own)),
        outputs: vec![ty(result)],
    }
}

fn operand(text: &str) -> Operand {
    let constant = text.starts_with(['!', '~']);
    let shape = shape(text.trim_start_matches(['!', '~']));
    let one = |i: usize| f32::from(u8::from(text.starts_with('!') || i.is_multiple_of(2)));
    let values = || {
        runtime();
        let values: Vec<f32> = (0..shape.iter().product()).map(one).collect();
        NDArray::from_f32(&shape, &values).unwrap()
    };
    let value = constant.then(values);
    Operand::new(ty(shape), value)
}

fn ty(shape: Vec<usize>) -> TensorType {
    TensorType {
        shape,
        dtype: "float32".to_string(),
    }
}

fn shape(text: &str) -> Vec<usize> {
    let sides = text.split(',').filter(|side| !side.is_empty());
    sides.map(|side| side.parse().unwrap()).collect()
}

fn attributes(own: &str) -> BTreeMap<String, Vec<String>> {
    let pairs = ATTRIBUTES.split_whitespace().chain(own.split_whitespace());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    let list = |text: &str| text.split(',').map(str::to_string).collect();
    pairs
        .map(|(name, value)| (name.to_string(), list(value)))
        .collect()
}

/// Constants of calls are TVM's arrays.
fn runtime() {
    static OPENED: OnceLock<()> = OnceLock::new();
    OPENED.get_or_init(|| {
        let packages = |root: &std::path::PathBuf| {
            let versions = std::fs::read_dir(root.join("lib")).into_iter().flatten();
            let versions = versions.flatten().map(|python| python.path());
            versions
                .map(|python| python.join("site-packages/tvm/libtvm_runtime.so"))
                .find(|library| library.is_file())
        };
        let found = default_search().roots.iter().find_map(packages);
        open(&found.expect("no TVM here: run ./scripts/setup")).unwrap();
    });
}

/// Operators whose reader says why TVM keeps them.
const KEPT: &str = "argmax argmin argsort topk round sign equal not_equal less less_equal greater greater_equal isnan \
    isinf isfinite";

#[test]
fn every_reader_has_a_call_that_it_takes() {
    let kept: Vec<&str> = KEPT.split_whitespace().collect();
    for (name, becomes) in all() {
        let refused = matches!(becomes, Becomes::Refused(_));
        let want = kept.contains(&name);
        assert_eq!(refused, want, "{name}: {becomes:?}; give it a call in SPECIMENS");
    }
}
