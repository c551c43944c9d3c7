//! Puts results where their rows belong.

use std::ops::Range;
use std::sync::Arc;

use super::route::Size;
use crate::plan::counted;
use crate::schedule::Task;

/// The outputs of one stage for all rows of a batch, in groups of rows that are read when each is complete.
pub(super) struct Gather {
    total: usize,
    group: usize,
    buffers: Vec<Buffer>,
}

struct Buffer {
    size: Size,
    /// One per group.
    parts: Vec<Part>,
}

enum Part {
    /// Nothing is there yet, or some rows are.
    Open(Vec<f32>),
    /// Complete, to be read by many.
    Shared(Arc<Vec<f32>>),
}

impl Gather {
    /// `sizes` are those of the outputs.
    pub fn new(total: usize, group: usize, sizes: &[Size]) -> Gather {
        let group = group.max(1);
        let buffer = |size: &Size| Buffer {
            size: *size,
            parts: (0..total.div_ceil(group).max(1))
                .map(|_| Part::Open(Vec::new()))
                .collect(),
        };
        Gather {
            total,
            group,
            buffers: sizes.iter().map(buffer).collect(),
        }
    }

    /// Whether `outputs` are what an execution of `task` has to give; otherwise what is wrong.
    pub fn check(&self, task: &Task, outputs: &[Vec<f32>]) -> Result<(), String> {
        let (got, want) = (outputs.len(), self.buffers.len());
        if got != want {
            let got = counted(got, "output");
            return Err(format!("the engine gave {got} instead of {want}"));
        }
        for (index, (buffer, output)) in self.buffers.iter().zip(outputs).enumerate() {
            let (got, want) = (output.len(), buffer.size.of(task.window.len()));
            if got != want {
                return Err(format!(
                    "the engine gave {got} elements in output {index} instead of {want}"
                ));
            }
        }
        Ok(())
    }

    /// Takes the rows of `task` from `outputs`, which have been checked. One that holds all rows of a group is not
    /// copied.
    pub fn keep(&mut self, task: &Task, outputs: Vec<Vec<f32>>) {
        let (total, group) = (self.total, self.group);
        for (buffer, output) in self.buffers.iter_mut().zip(outputs) {
            let first = task.rows.start / group;
            if task.window == task.rows && task.rows == span(first, group, total) {
                buffer.parts[first] = Part::Open(output);
                continue;
            }
            for at in first..task.rows.end.div_ceil(group) {
                buffer.copy(at, span(at, group, total), task, &output);
            }
        }
    }

    /// The complete group that row `row` is in, one buffer per output, and the first row of the group.
    pub fn group(&mut self, row: usize) -> (Vec<Arc<Vec<f32>>>, usize) {
        let at = row / self.group;
        let buffers = self.buffers.iter_mut();
        let shared = buffers.map(|buffer| buffer.parts[at].share()).collect();
        (shared, at * self.group)
    }

    /// All rows of each output.
    pub fn finish(&mut self) -> Vec<Arc<Vec<f32>>> {
        self.buffers.iter_mut().map(Buffer::finish).collect()
    }
}

/// The rows of a group.
fn span(at: usize, group: usize, total: usize) -> Range<usize> {
    at * group..total.min((at + 1) * group)
}

impl Buffer {
    /// Copies what `output`, the result of `task`, has for the rows `span` of one group.
    fn copy(&mut self, at: usize, span: Range<usize>, task: &Task, output: &[f32]) {
        let Part::Open(data) = &mut self.parts[at] else {
            return;
        };
        if data.is_empty() {
            *data = vec![0.0; self.size.of(span.len())];
        }
        let rows = task.rows.start.max(span.start)..task.rows.end.min(span.end);
        let [from, to, len] = [
            rows.start - task.window.start,
            rows.start - span.start,
            rows.len(),
        ]
        .map(|rows| self.size.of(rows));
        data[to..to + len].copy_from_slice(&output[from..from + len]);
    }

    fn finish(&mut self) -> Arc<Vec<f32>> {
        match &mut self.parts[..] {
            [part] => part.share(),
            parts => {
                let parts: Vec<Arc<Vec<f32>>> = parts.iter_mut().map(Part::share).collect();
                let slices: Vec<&[f32]> = parts.iter().map(|part| part.as_slice()).collect();
                Arc::new(slices.concat())
            }
        }
    }
}

impl Part {
    fn share(&mut self) -> Arc<Vec<f32>> {
        match self {
            Part::Shared(data) => data.clone(),
            Part::Open(data) => {
                let data = Arc::new(std::mem::take(data));
                *self = Part::Shared(data.clone());
                data
            }
        }
    }
}
