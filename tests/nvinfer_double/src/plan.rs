//! The recorded network as it comes from the C++ side, and as the bytes of a plan file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"double\0\x01";
/// Magic, length of the header, digest of the rest.
const PREAMBLE: usize = 8 + 8 + 32;

/// First element and count of a weight among all weights.
pub type Span = (usize, usize);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub library: i32,
    /// 1 when any layer runs on a DLA.
    pub dla: i32,
    /// 1 when ranges say what is INT8.
    pub int8: i32,
    pub name: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub layers: Vec<Layer>,
    /// By the number of the tensor.
    pub shapes: Vec<Vec<usize>>,
    #[serde(skip)]
    pub weights: Vec<f32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Port {
    pub tensor: usize,
    pub name: String,
    pub shape: Vec<usize>,
    /// `DataType`.
    #[serde(rename = "type")]
    pub data_type: i32,
    /// Bits of `TensorFormat`; 0 leaves the choice to the builder.
    pub formats: u32,
    /// INT8: the value that 127 stands for; 0 when none was given.
    pub range: f32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    pub name: String,
    pub output: usize,
    /// -1 where an operand is left out.
    pub inputs: Vec<i64>,
    /// INT8: the value that 127 stands for in the output; 0 when none was given.
    pub range: f32,
    /// 1 when it is to be computed in FP16.
    pub half: i32,
    #[serde(flatten)]
    pub kind: Kind,
}

/// Numbers are NvInfer's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    Constant {
        shape: Vec<usize>,
        values: Span,
    },
    Convolution(Kernel),
    Deconvolution(Kernel),
    Pooling {
        #[serde(flatten)]
        window: Window,
        #[serde(rename = "type")]
        pooling: i32,
        excludes_padding: i32,
    },
    Activation {
        #[serde(rename = "type")]
        function: i32,
        alpha: f32,
        beta: f32,
    },
    Scale {
        mode: i32,
        axis: i32,
        shift: Option<Span>,
        scale: Option<Span>,
        power: Option<Span>,
    },
    ParametricRelu,
    Elementwise {
        operation: i32,
    },
    Unary {
        operation: i32,
    },
    Lrn {
        size: usize,
        alpha: f32,
        beta: f32,
        k: f32,
    },
    Reduce {
        operation: i32,
        axes: u32,
        keep: i32,
    },
    Softmax {
        axes: u32,
    },
    Concatenation {
        axis: usize,
    },
    MatrixMultiply {
        turn_a: i32,
        turn_b: i32,
    },
    Shuffle {
        permutation: Vec<usize>,
        shape: Vec<usize>,
    },
    Slice {
        start: Vec<i64>,
        size: Vec<usize>,
        stride: Vec<i64>,
        mode: i32,
    },
    Resize {
        shape: Vec<usize>,
        mode: i32,
        coordinates: i32,
        rounding: i32,
    },
    Quantize {
        axis: i32,
    },
    Dequantize {
        axis: i32,
    },
    Cast {
        /// `DataType`.
        to: i32,
    },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Window {
    pub window: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    pub before: Vec<usize>,
    pub after: Vec<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kernel {
    #[serde(flatten)]
    pub window: Window,
    pub maps: usize,
    pub groups: usize,
    pub kernel: Option<Span>,
    pub bias: Option<Span>,
}

impl Plan {
    /// The plan file of what the C++ side recorded.
    pub fn bytes(json: &str, weights: &[f32]) -> Result<Vec<u8>, String> {
        let plan: Plan = serde_json::from_str(json).map_err(|e| format!("{e} in {json}"))?;
        let mut body = serde_json::to_vec(&plan).map_err(|e| e.to_string())?;
        let header = body.len() as u64;
        body.extend(weights.iter().flat_map(|w| w.to_le_bytes()));
        let mut bytes = MAGIC.to_vec();
        bytes.extend(header.to_le_bytes());
        bytes.extend(Sha256::digest(&body));
        bytes.extend(body);
        Ok(bytes)
    }

    /// # Errors
    /// Bytes that are no plan, are damaged, or belong to another version of the library.
    pub fn read(bytes: &[u8], library: i32) -> Result<Plan, String> {
        let head = bytes.get(..PREAMBLE).filter(|head| head.starts_with(MAGIC));
        let head = head.ok_or("the magic tag differs: this is no engine of this library")?;
        let body = &bytes[PREAMBLE..];
        if Sha256::digest(body).as_slice() != &head[16..] {
            return Err("the checksum differs: the engine is damaged".into());
        }
        let header = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes")) as usize;
        let (header, weights) = body.split_at_checked(header).ok_or("the header is cut short")?;
        let mut plan: Plan = serde_json::from_slice(header).map_err(|e| e.to_string())?;
        if plan.library != library {
            let built = plan.library;
            return Err(format!(
                "the engine was built by version {built}, this library is {library}"
            ));
        }
        let element = |w: &[u8]| f32::from_le_bytes([w[0], w[1], w[2], w[3]]);
        plan.weights = weights.chunks_exact(4).map(element).collect();
        Ok(plan)
    }
}
