//! The data of the items in a stream: batches are gathered from it, results are handed out as parts of a batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::route::{Route, Size};
use super::StreamItem;
use crate::engine::Rows;
use crate::plan::Device;
use crate::schedule::{Item, Phase, StreamTask};
use crate::split::{OutputSource, SuffixInput};

pub(super) struct Slots<T> {
    /// Of the GPU, which runs the network uncut.
    alone: Route,
    /// Of the DLAs.
    shared: Route,
    slots: HashMap<Item, Slot<T>>,
}

struct Slot<T> {
    item: StreamItem<T>,
    /// Results of the first stage, then of the last.
    first: Vec<Rows>,
    outputs: Vec<Rows>,
}

/// An item that leaves.
pub(super) struct Gone<T> {
    pub tag: T,
    pub arrived: Instant,
    pub outputs: Vec<Rows>,
}

impl<T> Slots<T> {
    pub fn new(alone: Route, shared: Route) -> Slots<T> {
        Slots {
            alone,
            shared,
            slots: HashMap::new(),
        }
    }

    pub fn insert(&mut self, number: Item, item: StreamItem<T>) {
        let slot = Slot {
            item,
            first: Vec::new(),
            outputs: Vec::new(),
        };
        self.slots.insert(number, slot);
    }

    pub fn remove(&mut self, number: Item) -> Option<Gone<T>> {
        let slot = self.slots.remove(&number)?;
        Some(Gone {
            tag: slot.item.tag,
            arrived: slot.item.arrived,
            outputs: slot.outputs,
        })
    }

    pub fn route(&self, device: Device) -> &Route {
        match device {
            Device::Gpu => &self.alone,
            Device::Dla(_) => &self.shared,
        }
    }

    /// What the engine of `task` reads.
    pub fn inputs(&self, task: &StreamTask) -> Vec<Rows> {
        let slots = || task.items.iter().filter_map(|item| self.slots.get(item));
        let gather = |rows: Vec<&Rows>, size: Size| batch(&rows, size.of(1), task.batch);
        match task.phase {
            Phase::Prefix => {
                let sizes = self.route(task.device).inputs.iter().enumerate();
                sizes
                    .map(|(at, size)| gather(slots().map(|s| &s.item.inputs[at]).collect(), *size))
                    .collect()
            }
            Phase::Suffix => {
                let sources = self.shared.suffix.iter().flat_map(|s| &s.inputs);
                let row = |slot: &'_ Slot<T>, source: &SuffixInput| match source {
                    SuffixInput::Cut(at) => slot.first[*at].clone(),
                    SuffixInput::GraphInput(at) => slot.item.inputs[*at].clone(),
                };
                sources
                    .map(|(source, size)| {
                        let rows: Vec<Rows> = slots().map(|slot| row(slot, source)).collect();
                        gather(rows.iter().collect(), *size)
                    })
                    .collect()
            }
        }
    }

    /// Whether `outputs` are what an execution of `task` has to give; otherwise what is wrong.
    pub fn check_outputs(&self, task: &StreamTask, outputs: &[Vec<f32>]) -> Result<(), String> {
        let sizes = match (task.phase, &self.shared.suffix) {
            (Phase::Suffix, Some(suffix)) => &suffix.outputs,
            (Phase::Suffix, None) | (Phase::Prefix, _) => &self.route(task.device).first_outputs,
        };
        let got: Vec<usize> = outputs.iter().map(Vec::len).collect();
        let want: Vec<usize> = sizes.iter().map(|size| size.of(task.batch)).collect();
        if got == want {
            Ok(())
        } else {
            Err(format!(
                "the engine gave outputs of {got:?} elements instead of {want:?}"
            ))
        }
    }

    /// Takes the results of `task`, which have been checked.
    pub fn keep(&mut self, task: &StreamTask, outputs: Vec<Vec<f32>>) {
        let outputs: Vec<Arc<Vec<f32>>> = outputs.into_iter().map(Arc::new).collect();
        let route = match (task.phase, task.device) {
            (Phase::Prefix, Device::Gpu) => &self.alone,
            (Phase::Prefix, Device::Dla(_)) | (Phase::Suffix, _) => &self.shared,
        };
        for (at, item) in task.items.iter().enumerate() {
            let Some(slot) = self.slots.get_mut(item) else {
                continue;
            };
            let part = |data: &Arc<Vec<f32>>| {
                let len = data.len() / task.batch;
                Rows {
                    data: data.clone(),
                    offset: at * len,
                    len,
                }
            };
            let results: Vec<Rows> = outputs.iter().map(part).collect();
            match task.phase {
                Phase::Prefix => {
                    slot.first = results;
                    if route.suffix.is_none() {
                        slot.outputs = sources(route, &slot.first, &[]);
                    }
                }
                Phase::Suffix => slot.outputs = sources(route, &slot.first, &results),
            }
        }
    }
}

fn sources(route: &Route, first: &[Rows], suffix: &[Rows]) -> Vec<Rows> {
    let outputs = route.outputs.iter();
    outputs
        .map(|output| match output.source {
            OutputSource::Prefix(at) => first[at].clone(),
            OutputSource::Suffix(at) => suffix[at].clone(),
        })
        .collect()
}

/// The items one after the other, `row` elements each, filled up with zeros to `batch`; uncopied when they already lie like
/// that.
fn batch(rows: &[&Rows], row: usize, batch: usize) -> Rows {
    let follows =
        |pair: &[&Rows]| Arc::ptr_eq(&pair[0].data, &pair[1].data) && pair[0].offset + row == pair[1].offset;
    let len = batch * row;
    if let Some(first) = rows.first()
        && rows.len() == batch
        && rows.windows(2).all(follows)
    {
        return Rows {
            len,
            ..(*first).clone()
        };
    }
    let mut data = Vec::with_capacity(len);
    for rows in rows {
        data.extend_from_slice(rows.as_slice());
    }
    data.resize(len, 0.0);
    Rows {
        data: Arc::new(data),
        offset: 0,
        len,
    }
}
