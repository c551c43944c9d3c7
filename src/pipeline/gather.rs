//! Puts results where their rows belong.

use std::sync::Arc;

use crate::schedule::Task;

/// The outputs of one stage for all rows of a batch.
pub(super) struct Gather {
    total: usize,
    buffers: Vec<Buffer>,
}

struct Buffer {
    /// Elements per row.
    row: usize,
    data: Vec<f32>,
}

impl Gather {
    pub fn new(total: usize, rows: &[usize]) -> Gather {
        let buffer = |row: &usize| Buffer {
            row: *row,
            data: Vec::new(),
        };
        Gather {
            total,
            buffers: rows.iter().map(buffer).collect(),
        }
    }

    /// Whether `outputs` are what an execution of `task` has to give; otherwise what is wrong.
    pub fn check(&self, task: &Task, outputs: &[Vec<f32>]) -> Result<(), String> {
        let (got, want) = (outputs.len(), self.buffers.len());
        if got != want {
            return Err(format!("the engine gave {got} outputs instead of {want}"));
        }
        for (index, (buffer, output)) in self.buffers.iter().zip(outputs).enumerate() {
            let (got, want) = (output.len(), buffer.row * task.window.len());
            if got != want {
                return Err(format!(
                    "the engine gave {got} elements in output {index} instead of {want}"
                ));
            }
        }
        Ok(())
    }

    /// Takes the rows of `task` from `outputs`, which have been checked. One that holds all rows is not copied.
    pub fn keep(&mut self, task: &Task, outputs: Vec<Vec<f32>>) {
        let all = task.rows == (0..self.total) && task.window == task.rows;
        for (buffer, output) in self.buffers.iter_mut().zip(outputs) {
            if all {
                buffer.data = output;
                continue;
            }
            let row = buffer.row;
            if buffer.data.is_empty() {
                buffer.data = vec![0.0; self.total * row];
            }
            let from = (task.rows.start - task.window.start) * row;
            let len = task.rows.len() * row;
            let to = task.rows.start * row;
            buffer.data[to..to + len].copy_from_slice(&output[from..from + len]);
        }
    }

    /// The finished buffers, to be read by many.
    pub fn freeze(self) -> Vec<Arc<Vec<f32>>> {
        let buffers = self.buffers.into_iter();
        buffers.map(|buffer| Arc::new(buffer.data)).collect()
    }
}
