//! Constants of a network: elements that TensorRT reads until the engine is built.

use std::sync::Arc;

use half::f16;

use super::network::{FLOAT, HALF, TrtNetwork, dims};
use super::sys::Blob;
use crate::lower::{LayerResult, Weights};

pub(super) const CONSTANT: &str = "addConstant";

/// The constants of a network, which have to outlive its building.
pub(super) struct Constants(#[allow(dead_code)] pub(super) Vec<Arc<Vec<u8>>>);

impl TrtNetwork<'_> {
    /// Constant elements as this network wants them: as they are, or rounded to FP16 where types are strong.
    pub(super) fn blob(&mut self, weights: &Weights) -> Blob {
        let count: usize = weights.shape.iter().product();
        let (kind, data) = if self.halves() {
            let halves = weights.values().into_iter();
            let bytes = halves.flat_map(|v| f16::from_f32(v).to_le_bytes()).collect();
            (HALF, Arc::new(bytes))
        } else {
            (FLOAT, weights.data.clone())
        };
        self.keep(kind, data, count)
    }

    pub(super) fn float_blob(&mut self, values: &[f32]) -> Blob {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.keep(FLOAT, Arc::new(bytes), values.len())
    }

    fn keep(&mut self, kind: i32, data: Arc<Vec<u8>>, count: usize) -> Blob {
        let blob = Blob {
            kind,
            data: data.as_ptr().cast(),
            count: count as i64,
        };
        self.constants.push(data);
        blob
    }

    pub(super) fn optional_blob(&mut self, weights: Option<&Weights>) -> Blob {
        match weights {
            Some(weights) => self.blob(weights),
            None => Blob {
                kind: if self.halves() { HALF } else { FLOAT },
                data: std::ptr::null(),
                count: 0,
            },
        }
    }

    pub(super) fn constant_layer(&mut self, node: &str, weights: &Weights) -> LayerResult {
        let blob = self.blob(weights);
        self.constant_of(node, &weights.shape, blob)
    }

    pub(super) fn constant_of(&mut self, node: &str, shape: &[usize], blob: Blob) -> LayerResult {
        let shape = dims(shape)?;
        // SAFETY: the network lives, and `self.constants` keeps the elements until it is built.
        self.add(CONSTANT, node, |table, net| unsafe {
            (table.add_constant)(net, &shape, &blob)
        })
    }
}
