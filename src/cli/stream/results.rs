//! What is written as items are answered, and in the end.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::Arguments;
use super::feed::Tag;
use crate::artifact::Artifact;
use crate::cli::arrays::ResultFile;
use crate::cli::labels::{Guess, best};
use crate::engine::{Array, Rows};
use crate::pipeline::StreamAnswer;
use crate::session::Session;

pub struct Results {
    session: Arc<Session>,
    top: usize,
    lines: Option<(PathBuf, BufWriter<File>)>,
    file: Option<ResultFile>,
    /// Of the model's outputs.
    names: Vec<String>,
    /// For `file`: of every item its outputs, and the model's inputs where those need them.
    outputs: Vec<Vec<Rows>>,
    again: Vec<Vec<Array>>,
}

/// One line of `--results`.
#[derive(Serialize)]
struct Line<'a> {
    item: u64,
    name: &'a str,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Vec<Guess>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Results {
    /// Fails before any work is done when a place cannot be written.
    pub fn create(
        arguments: &Arguments,
        artifact: &Artifact,
        session: Arc<Session>,
    ) -> Result<Results, Box<dyn Error>> {
        let lines = arguments.results.as_ref().map(|path| {
            let file = File::create(path);
            let file = file.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
            Ok::<_, String>((path.clone(), BufWriter::new(file)))
        });
        let file = arguments.output.as_deref().map(ResultFile::create);
        Ok(Results {
            session,
            top: arguments.top,
            lines: lines.transpose()?,
            file: file.transpose()?,
            names: artifact.output_names(),
            outputs: Vec::new(),
            again: Vec::new(),
        })
    }

    pub fn take(&mut self, answer: StreamAnswer<Tag>) -> Result<(), Box<dyn Error>> {
        if let Some((path, writer)) = &mut self.lines {
            let top = match &answer.outputs {
                Ok(rows) => {
                    let rows = std::slice::from_ref(rows);
                    let batch = self.session.batch(&answer.tag.again, rows)?;
                    // Not a row of classes where the output has no dimension for rows, or several rows.
                    let first = batch.first().filter(|output| output.shape.first() == Some(&1));
                    first.and_then(|first| best(first, 1, self.top, &[]).pop())
                }
                Err(_) => None,
            };
            let line = Line {
                item: answer.number,
                name: &answer.tag.name,
                latency_ms: answer.latency.as_secs_f64() * 1e3,
                top,
                error: answer.outputs.as_ref().err().map(|e| e.to_string()),
            };
            let line = serde_json::to_string(&line)?;
            let written = writeln!(writer, "{line}").and_then(|()| writer.flush());
            written.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        }
        if let (Some(_), Ok(rows)) = (&self.file, answer.outputs) {
            self.outputs.push(rows);
            self.again.push(answer.tag.again);
        }
        Ok(())
    }

    pub fn finish(self) -> Result<(), Box<dyn Error>> {
        match self.file {
            Some(file) => {
                let types = self.session.output_types();
                let again = joined(&self.again);
                let outputs = self.session.batch(&again, &self.outputs)?;
                file.write(&outputs, &types, &self.names)
            }
            None => Ok(()),
        }
    }
}

/// Input by input, the rows of all items one after the other.
fn joined(items: &[Vec<Array>]) -> Vec<Array> {
    let Some(first) = items.first() else {
        return Vec::new();
    };
    let input = |at: usize| {
        let arrays = || items.iter().map(|item| &item[at]);
        let data: Vec<f32> = arrays().flat_map(|a| a.data.iter().copied()).collect();
        let mut shape = first[at].shape.clone();
        if let Some(rows) = shape.first_mut() {
            *rows = arrays().map(|array| array.shape[0]).sum();
        }
        Array {
            shape,
            data: Arc::new(data),
        }
    };
    (0..first.len()).map(input).collect()
}
