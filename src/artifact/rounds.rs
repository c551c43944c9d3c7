//! Rounds of TVM's executor over a head or a tail, as many as the rows need.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::ArtifactError;
use super::executor::{Executor, Library};
use super::graph_json::Declared;
use super::layout::Feed;
use super::part::Part;
use crate::engine::Array;

/// Rows of a batch, dealt to executions of a fixed batch.
#[derive(Clone, Copy)]
pub(super) struct Deal {
    pub rows: usize,
    pub compiled: usize,
}

impl Deal {
    fn rounds(self) -> usize {
        self.rows.div_ceil(self.compiled)
    }
}

/// A head or a tail that TVM runs.
pub(super) struct Piece {
    executor: Mutex<Executor>,
    pub feeds: Vec<Feed>,
    pub inputs: Vec<Declared>,
}

impl Piece {
    /// `feeds` are for the inputs of `part`, in their order.
    pub fn new(
        library: &Library,
        part: &Part,
        params: &[u8],
        feeds: Vec<Feed>,
    ) -> Result<Piece, ArtifactError> {
        Ok(Piece {
            executor: Mutex::new(Executor::of_part(library, part, params)?),
            feeds,
            inputs: part.inputs.clone(),
        })
    }

    /// Every output with the rows of all executions, one after the other.
    pub fn run(
        &self,
        inputs: &[Array],
        network: &[Array],
        deal: Deal,
    ) -> Result<Vec<Array>, ArtifactError> {
        let executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole: Vec<Array> = Vec::new();
        for round in 0..deal.rounds() {
            let feeds = self.inputs.iter().zip(&self.feeds);
            let arrays: Vec<Array> = feeds
                .map(|(declared, source)| match source {
                    Feed::Network(at) => chunk(&network[*at], declared, round),
                    Feed::Input(at) => chunk(&inputs[*at], declared, round),
                })
                .collect();
            for (at, result) in executor.run(&arrays)?.into_iter().enumerate() {
                match whole.get_mut(at) {
                    None => whole.push(result),
                    Some(array) => Arc::make_mut(&mut array.data).extend_from_slice(&result.data),
                }
            }
        }
        Ok(whole)
    }
}

/// What execution number `round` takes of an array; the last is filled up with its last element's row.
fn chunk(array: &Array, declared: &Declared, round: usize) -> Array {
    let len: usize = declared.shape.iter().product();
    let start = (round * len).min(array.data.len());
    let end = (start + len).min(array.data.len());
    let mut data = array.data[start..end].to_vec();
    let row = len / declared.shape.first().copied().unwrap_or(1).max(1);
    while data.len() < len && !data.is_empty() {
        let last = data.len().saturating_sub(row);
        data.extend_from_within(last..);
    }
    data.resize(len, 0.0);
    Array {
        shape: declared.shape.clone(),
        data: data.into(),
    }
}

/// The rows that were asked for, of what all executions gave.
pub(super) fn cut(array: Array, declared: &Declared, deal: Deal) -> Result<Array, ArtifactError> {
    let Deal { rows, compiled } = deal;
    if rows == compiled {
        return Ok(array);
    }
    let mut shape = declared.shape.clone();
    match shape.first_mut() {
        Some(first) if *first % compiled == 0 && *first > 0 => {
            let per_row = array.data.len() / (deal.rounds() * compiled);
            *first = *first / compiled * rows;
            let mut data = array.data.to_vec();
            data.truncate(per_row * rows);
            let data = data.into();
            Ok(Array { shape, data })
        }
        _ => Err(ArtifactError::NoRows {
            name: declared.name.clone(),
            shape: declared.shape.clone(),
            compiled,
            rows,
        }),
    }
}
