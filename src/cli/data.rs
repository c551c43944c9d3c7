//! Images and arrays by the batch, so that a folder of any size needs the memory of one batch.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::images::{Frame, row};
use super::inputs::{self, Input, picture_frame};
use super::output::{Output, counted};
use crate::artifact::{Around, Execution};
use crate::bundle::{Bundle, Origin, Preprocess};
use crate::engine::Array;
use crate::graph::Graph;

/// Where rows come from.
#[derive(Args, Clone)]
pub struct DataOptions {
    /// Pictures or folders of pictures (.jpg, .png, .bmp)
    #[arg(long, num_args = 1.., required_unless_present = "npz", conflicts_with = "npz")]
    pub images: Vec<PathBuf>,
    /// A .npz file with an array per input, or a .npy file
    #[arg(long)]
    pub npz: Option<PathBuf>,
    /// How pictures become input: unit-symmetric, efficientnet-lite, imagenet or none (default: the artifact's)
    #[arg(long)]
    pub preprocess: Option<String>,
    /// Use only the first rows
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// Rows that are read when they are asked for.
pub struct Data {
    rows: Rows,
    front: Option<Front>,
    /// One per row: the picture's file, or its number in an array.
    pub names: Vec<String>,
}

/// What is in front of the network, and how the network takes what comes from there.
struct Front {
    around: Around,
    origin: Option<Origin>,
    graph: Graph,
}

enum Rows {
    Pictures {
        files: Vec<PathBuf>,
        frame: Frame,
        input: Box<Input>,
        preprocess: Preprocess,
    },
    Arrays(Vec<Array>),
}

impl DataOptions {
    /// Finds the rows; pictures are read later.
    pub fn open(
        &self,
        inputs: &[Input],
        preprocess: Option<&Preprocess>,
        output: &Output,
    ) -> Result<Data, Box<dyn Error>> {
        let mut data = match &self.npz {
            Some(file) => arrays(file, inputs, output)?,
            None => {
                let (frame, preprocess) = picture_frame(inputs, preprocess)?;
                let files = inputs::expand(&self.images)?;
                Data {
                    front: None,
                    names: files.iter().map(|f| f.display().to_string()).collect(),
                    rows: Rows::Pictures {
                        files,
                        frame,
                        input: Box::new(inputs[0].clone()),
                        preprocess: preprocess.clone(),
                    },
                }
            }
        };
        data.names.truncate(self.limit.map_or(usize::MAX, |n| n as usize));
        Ok(data)
    }
}

fn arrays(file: &Path, inputs: &[Input], output: &Output) -> Result<Data, Box<dyn Error>> {
    let batch = inputs::read(&[file.to_path_buf()], inputs, None, output)?;
    let count = batch.rows();
    let mut arranged = Vec::new();
    for (input, array) in inputs.iter().zip(batch.arrays) {
        let Input { name, rows, .. } = input;
        let wrong = |error| format!("{}: {error}", file.display());
        let array = input.arranged(array).map_err(wrong)?;
        if array.shape.get(1..) != Some(&rows.row[..]) {
            let (got, want) = (&array.shape, &rows.row);
            return Err(format!(
                "{}: the array for `{name}` has the shape {got:?}, and its rows must be {want:?}",
                file.display()
            )
            .into());
        }
        if array.shape[0] != count {
            let rows = counted(array.shape[0], "row");
            return Err(format!(
                "{}: the array for `{name}` has {rows} instead of {count}",
                file.display()
            )
            .into());
        }
        arranged.push(array);
    }
    Ok(Data {
        front: None,
        names: batch.names,
        rows: Rows::Arrays(arranged),
    })
}

impl Data {
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The same rows as the network of `bundle` takes them, which has `around` it what the rows are for.
    pub fn entering(self, around: Option<Around>, bundle: &Bundle) -> Data {
        Data {
            front: around.map(|around| Front {
                around,
                origin: bundle.origin.clone(),
                graph: bundle.graph.clone(),
            }),
            ..self
        }
    }

    /// Rows `start..start + count`, fewer at the end: one array per input of the network, in its order of axes.
    pub fn rows(&self, start: usize, count: usize) -> Result<Vec<Array>, Box<dyn Error>> {
        let given = self.given(start, count)?;
        match &self.front {
            Some(Front {
                around,
                origin,
                graph,
            }) => {
                let mut entered = around.enter(&given, origin.as_ref(), graph)?;
                // What is one row as a whole comes as an array of one.
                let shapes = graph.row_shapes(&graph.inputs);
                for (array, shape) in entered.iter_mut().zip(shapes) {
                    if array.shape.len() == shape.row.len() {
                        array.shape.insert(0, 1);
                    }
                }
                Ok(entered)
            }
            None => Ok(given),
        }
    }

    /// How rows enter the network where they do so only in whole executions.
    pub fn by_execution(&self) -> Option<Execution> {
        let Front { around, graph, .. } = self.front.as_ref()?;
        around.by_execution(graph.batch())
    }

    fn given(&self, start: usize, count: usize) -> Result<Vec<Array>, Box<dyn Error>> {
        let end = (start + count).min(self.len());
        match &self.rows {
            Rows::Pictures {
                files,
                frame,
                input,
                preprocess,
            } => {
                let mut data = Vec::new();
                for file in &files[start..end] {
                    data.extend(row(file, *frame, preprocess)?);
                }
                let shape = input.stacked(end - start);
                let data = Arc::new(data);
                Ok(vec![input.arranged(Array { shape, data })?])
            }
            Rows::Arrays(arrays) => Ok(arrays.iter().map(|x| x.part(start, end)).collect()),
        }
    }
}
