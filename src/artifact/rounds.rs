//! Rounds of TVM's executor over a head or a tail, as many as the rows need.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::ArtifactError;
use super::executor::{Executor, Library};
use super::graph_json::DeclaredTensor;
use super::layout::Feed;
use super::part::Part;
use crate::engine::Array;
use crate::graph::RowShape;

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
    pub inputs: Vec<DeclaredTensor>,
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
    pub fn run(&self, inputs: &[Array], network: &[Array], deal: Deal) -> Result<Vec<Array>, ArtifactError> {
        let executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole: Vec<Array> = Vec::new();
        for round in 0..deal.rounds() {
            let arrays = |fill| -> Vec<Array> {
                let feeds = self.inputs.iter().zip(&self.feeds);
                let array = |(declared, source): (&DeclaredTensor, &Feed)| match source {
                    Feed::Network(at) => chunk(&network[*at], declared, round, fill),
                    Feed::Input(at) => chunk(&inputs[*at], declared, round, fill),
                };
                feeds.map(array).collect()
            };
            let results = executor.run(&arrays(Fill::Last))?;
            let rest = deal.rows - round * deal.compiled;
            if rest < deal.compiled {
                // Nothing says of TVM's functions whether they keep rows apart; what fills up shows it.
                let others = executor.run(&arrays(Fill::Zeros))?;
                let deal = Deal { rows: rest, ..deal };
                apart(executor.outputs(), &results, &others, deal)?;
            }
            for (at, result) in results.into_iter().enumerate() {
                match whole.get_mut(at) {
                    None => whole.push(result),
                    Some(array) => Arc::make_mut(&mut array.data).extend_from_slice(&result.data),
                }
            }
        }
        Ok(whole)
    }
}

/// What an execution is filled up with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// Its last row.
    Last,
    Zeros,
}

/// Whether the first rows of an execution are the same whatever fills it up.
fn apart(
    outputs: &[DeclaredTensor],
    one: &[Array],
    other: &[Array],
    deal: Deal,
) -> Result<(), ArtifactError> {
    for (declared, (one, other)) in outputs.iter().zip(one.iter().zip(other)) {
        if declared.shape.first() != Some(&deal.compiled) {
            continue;
        }
        let count = one.data.len() / deal.compiled * deal.rows;
        let pairs = one.data.iter().zip(other.data.iter()).take(count);
        if pairs.into_iter().any(|(a, b)| a.to_bits() != b.to_bits()) {
            return Err(ArtifactError::Mixed {
                name: declared.name.clone(),
                compiled: deal.compiled,
                rows: deal.rows,
            });
        }
    }
    Ok(())
}

/// What execution number `round` takes of an array; the last is filled up.
fn chunk(array: &Array, declared: &DeclaredTensor, round: usize, fill: Fill) -> Array {
    let len: usize = declared.shape.iter().product();
    let start = (round * len).min(array.data.len());
    let end = (start + len).min(array.data.len());
    let mut data = array.data[start..end].to_vec();
    let row = len / declared.shape.first().copied().unwrap_or(1).max(1);
    while fill == Fill::Last && data.len() < len && !data.is_empty() {
        let last = data.len().saturating_sub(row);
        data.extend_from_within(last..);
    }
    data.resize(len, 0.0);
    Array {
        shape: declared.shape.clone(),
        data: data.into(),
    }
}

/// The rows that were asked for, of what all executions gave. What has no rows lies as often along a first axis as there were
/// executions.
pub(super) fn cut(array: Array, declared: &DeclaredTensor, deal: Deal) -> Result<Array, ArtifactError> {
    let Deal { rows, compiled } = deal;
    let shape = RowShape::declared(&declared.shape, compiled);
    if !shape.batched && !rows.is_multiple_of(compiled) {
        return Err(ArtifactError::NoRows {
            name: declared.name.clone(),
            shape: declared.shape.clone(),
            compiled,
            rows,
        });
    }
    let shape = shape.of(rows);
    let mut data = array.data;
    let count = shape.iter().product();
    if count < data.len() {
        Arc::make_mut(&mut data).truncate(count);
    }
    Ok(Array { shape, data })
}
