//! A network with its options as bytes: what an artifact carries. The layout is in FORMAT.md.

mod affine;
mod error;
mod header;
mod kept;
mod options;
mod origin;
mod preprocess;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use affine::{Affine, Integer};
pub use error::BundleError;
pub use kept::KeptCalls;
pub use options::{BoardOption, Options, OptionsError};
pub use origin::{AxesOrder, Origin, Port};
pub use preprocess::{Channels, Fit, Preprocess};

use crate::graph::{DType, Graph, TensorId};
use crate::plan::Plan;
use header::Header;

const MAGIC: &[u8; 8] = b"tvm-dla\0";
const VERSION: u32 = 4;
/// The oldest that is read.
const OLDEST: u32 = 3;
/// Weights start at multiples of this, so that they can be mapped and handed to any engine as they lie.
const ALIGN: usize = 64;
/// Magic, version, header length, digest.
const PREAMBLE: usize = 8 + 4 + 8 + 32;

/// Bytes that a header keeps for its plan.
const PLAN_ROOM: usize = 1024;

/// A network, how it was compiled, and optionally how to deal its batches.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    pub graph: Graph,
    pub options: Options,
    /// The plan to use when the caller gives none.
    pub plan: Option<Plan>,
    /// What the model declares where that differs from the network.
    pub origin: Option<Origin>,
    /// What stayed with TVM of the model, in one of its networks.
    pub kept: Vec<KeptCalls>,
}

impl Bundle {
    /// The bytes that [`Bundle::from_bytes`] reads back.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header = self.header();
        let mut bytes = Vec::with_capacity(self.graph.weight_bytes() as usize + header.len() + 4096);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&[0; 32]);
        bytes.extend_from_slice(&header);
        for weight in self.graph.tensors.iter().filter_map(|t| t.weight.as_ref()) {
            bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
            bytes.extend_from_slice(weight);
        }
        let digest = Sha256::digest(&bytes[PREAMBLE..]);
        bytes[PREAMBLE - 32..PREAMBLE].copy_from_slice(&digest);
        bytes
    }

    /// The header with spaces behind it, so that another plan can take the plan's place: see [`embed`].
    fn header(&self) -> Vec<u8> {
        let mut header = serde_json::to_vec(&Header::of(self)).expect("a header is plain data");
        let plan = serde_json::to_vec(&self.plan).expect("a plan is plain data");
        header.resize(header.len() + PLAN_ROOM.saturating_sub(plan.len()), b' ');
        header
    }

    /// Reads and validates a bundle. Allocates no more than the input's size.
    ///
    /// # Errors
    /// [`BundleError`] for anything that [`Bundle::to_bytes`] would not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Bundle, BundleError> {
        let header = checked_header(bytes)?;
        let length = header.len();
        let header: Header =
            serde_json::from_slice(header).map_err(|error| BundleError::Header(error.to_string()))?;
        let (mut bundle, weights) = header.into_parts();
        read_weights(&mut bundle.graph, &weights, bytes, PREAMBLE + length)?;
        bundle.graph.validate()?;
        if let Some(origin) = &bundle.origin {
            let wrong = BundleError::Origin;
            origin.check(&bundle.graph).map_err(wrong)?;
        }
        Ok(bundle)
    }

    /// How pictures become input: as the options say, else, for a model that takes uint8, as the bytes that pictures are.
    pub fn preprocess(&self) -> Option<Preprocess> {
        let bytes = match self.origin.as_ref().map(|origin| &origin.inputs[..]) {
            Some([only]) => only.integer.filter(|affine| affine.dtype == Integer::U8),
            _ => None,
        };
        let own = self.options.preprocess.clone();
        own.or_else(|| bytes.map(Preprocess::of_bytes))
    }

    /// Gives a tensor of the network another name; one that has it already gives way.
    pub fn rename(&mut self, tensor: TensorId, name: &str) {
        let tensors = &self.graph.tensors;
        let named = |name: &str| tensors.iter().position(|tensor| tensor.name == name);
        let at = tensor.0 as usize;
        let other = named(name).filter(|other| *other != at).map(|other| {
            let free = (1..).map(|number| format!("{name}_{number}"));
            (other, free.into_iter().find(|free| named(free).is_none()))
        });
        if let Some((other, Some(free))) = other {
            self.call(other, &free);
        }
        self.call(at, name);
    }

    fn call(&mut self, tensor: usize, name: &str) {
        let own = &mut self.graph.tensors[tensor].name;
        let old = std::mem::replace(own, name.to_string());
        if let Some(origin) = &mut self.origin {
            origin.rename(&old, name);
        }
    }

    /// SHA-256 of the content, as hexadecimal text: equal for equal bundles.
    pub fn digest(&self) -> String {
        let bytes = self.to_bytes();
        hex(&bytes[PREAMBLE - 32..PREAMBLE])
    }
}

/// SHA-256 of a network alone, as hexadecimal text: equal for equal nodes, shapes, names and weights. The weights are
/// read where they lie.
pub fn digest(graph: &Graph) -> String {
    let bundle = Bundle {
        graph: graph.clone(),
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    };
    let mut digest = Sha256::new();
    digest.update(serde_json::to_vec(&Header::of(&bundle)).expect("a header is plain data"));
    for weight in graph.tensors.iter().filter_map(|t| t.weight.as_ref()) {
        digest.update(weight.as_slice());
    }
    hex(&digest.finalize())
}

/// Puts `plan` into the bundle that `bytes` are, which stays as long as it is.
///
/// # Errors
/// [`BundleError`] when these are no bundle; [`BundleError::NoRoom`] when it was written without room for this plan.
pub fn embed(bytes: &mut [u8], plan: Option<Plan>) -> Result<(), BundleError> {
    let bundle = Bundle {
        plan,
        ..Bundle::from_bytes(bytes)?
    };
    let old = checked_header(bytes)?.len();
    let header = serde_json::to_vec(&Header::of(&bundle)).expect("a header is plain data");
    if header.len() > old {
        return Err(BundleError::NoRoom {
            needed: header.len() - old,
        });
    }
    let place = &mut bytes[PREAMBLE..PREAMBLE + old];
    place.fill(b' ');
    place[..header.len()].copy_from_slice(&header);
    let digest = Sha256::digest(&bytes[PREAMBLE..]);
    bytes[PREAMBLE - 32..PREAMBLE].copy_from_slice(&digest);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checked_header(bytes: &[u8]) -> Result<&[u8], BundleError> {
    let cut = |range: std::ops::Range<usize>| {
        bytes.get(range.clone()).ok_or(BundleError::Truncated {
            needed: range.end,
            size: bytes.len(),
        })
    };
    if cut(0..8)? != MAGIC {
        return Err(BundleError::Foreign);
    }
    let version = u32::from_le_bytes(cut(8..12)?.try_into().expect("four bytes"));
    if !(OLDEST..=VERSION).contains(&version) {
        return Err(BundleError::Version {
            found: version,
            known: VERSION,
        });
    }
    let length = u64::from_le_bytes(cut(12..20)?.try_into().expect("eight bytes"));
    let digest = cut(20..PREAMBLE)?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_add(PREAMBLE))
        .unwrap_or(usize::MAX);
    let header = cut(PREAMBLE..end)?;
    if digest != Sha256::digest(&bytes[PREAMBLE..]).as_slice() {
        return Err(BundleError::Digest);
    }
    Ok(header)
}

/// Copies the weights out of `bytes`; they must follow each other and fill the rest exactly.
fn read_weights(
    graph: &mut Graph,
    weights: &[TensorId],
    bytes: &[u8],
    mut at: usize,
) -> Result<(), BundleError> {
    for id in weights {
        let tensor = &mut graph.tensors[id.0 as usize];
        let start = at.next_multiple_of(ALIGN);
        let end = weight_size(&tensor.shape, tensor.dtype)
            .and_then(|size| start.checked_add(size))
            .unwrap_or(usize::MAX);
        let data = bytes.get(start..end).ok_or(BundleError::Truncated {
            needed: end,
            size: bytes.len(),
        })?;
        tensor.weight = Some(Arc::new(data.to_vec()));
        at = end;
    }
    match bytes.len() - at {
        0 => Ok(()),
        extra => Err(BundleError::Trailing { extra }),
    }
}

fn weight_size(shape: &[usize], dtype: DType) -> Option<usize> {
    shape
        .iter()
        .try_fold(dtype.size(), |size, d| size.checked_mul(*d))
}
