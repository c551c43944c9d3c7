//! Files on the command line -> the batch a network runs on.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::f16;

use super::arrays::FileArray;
use super::images::{Frame, row};
use super::output::Output;
use super::{arrays, helped};
use crate::artifact::{Around, DeclaredTensor, Element};
use crate::bundle::{Affine, Bundle, Origin, Port, Preprocess};
use crate::engine::Array;
use crate::graph::{RowShape, TensorId};
use crate::session::{Session, SessionError, arrange};

/// A batch, and what its rows are called.
pub struct Batch {
    pub arrays: Vec<Array>,
    /// One per row: the picture's file, or its number in an array.
    pub names: Vec<String>,
}

impl Batch {
    /// Rows come along the first axis, also where a network has none for them.
    fn of_arrays(mut arrays: Vec<Array>, inputs: &[Input]) -> Batch {
        for (array, input) in arrays.iter_mut().zip(inputs) {
            if !input.rows.batched && array.shape == input.shape {
                array.shape.insert(0, 1);
            }
        }
        let rows = arrays.first().and_then(|array| array.shape.first());
        let names = (0..rows.copied().unwrap_or(0)).map(|row| format!("row {row}"));
        Batch {
            names: names.collect(),
            arrays,
        }
    }

    /// Rows that were given.
    pub fn rows(&self) -> usize {
        self.names.len()
    }
}

/// An input of the network.
#[derive(Clone)]
pub struct Input {
    pub name: String,
    /// As the model declares it, for the batch it was compiled for.
    pub shape: Vec<usize>,
    /// As the network has it, which may be in another order of axes.
    pub network: Vec<usize>,
    /// One row, in the network's order.
    pub rows: RowShape,
    /// As the model declares it; float32 is taken too, and rounded where a model takes float16.
    pub dtype: Element,
    pub port: Port,
}

/// What the model of a session takes.
pub fn of_session(session: &Session) -> Vec<Input> {
    let ends = session.inputs().into_iter();
    ends.map(|end| Input {
        rows: end.rows,
        dtype: end.dtype,
        ..Input::of(end.name, end.shape, end.port)
    })
    .collect()
}

/// What a model takes that has `around` its network.
pub fn of_model(bundle: &Bundle, around: Option<&Around>) -> Vec<Input> {
    let origin = bundle.origin.as_ref();
    let own = |(at, id): (usize, &TensorId)| {
        let tensor = bundle.graph.tensor(*id);
        let port = Origin::input(origin, at).clone();
        let shape = port.declared(&tensor.shape);
        Input {
            rows: bundle.graph.row_shapes(&[*id]).remove(0),
            dtype: tensor.dtype.into(),
            ..Input::of(tensor.name.clone(), shape, port)
        }
    };
    match around {
        None => bundle.graph.inputs.iter().enumerate().map(own).collect(),
        Some(around) => {
            let inputs = around.inputs(origin).into_iter();
            let input = |(declared, port): (DeclaredTensor, Port)| Input {
                dtype: declared.passed_as(&port),
                ..Input::of(declared.name, declared.shape, port)
            };
            inputs.map(input).collect()
        }
    }
}

impl From<&DeclaredTensor> for Input {
    /// Of a model that TVM drives, which takes its integers as they are.
    fn from(declared: &DeclaredTensor) -> Input {
        let port = Port {
            integer: declared.integer.map(Affine::plain),
            axes: None,
        };
        Input {
            dtype: declared.passed_as(&port),
            ..Input::of(declared.name.clone(), declared.shape.clone(), port)
        }
    }
}

impl Input {
    /// A float32 input whose first axis is its rows.
    fn of(name: String, shape: Vec<usize>, port: Port) -> Input {
        let network = port.of_network(&shape);
        Input {
            rows: RowShape::leading(&network),
            dtype: Element::F32,
            network,
            name,
            shape,
            port,
        }
    }

    /// The shape of `rows` rows along the first axis, in the model's order of axes.
    pub fn stacked(&self, rows: usize) -> Vec<usize> {
        let row = match self.port.axes {
            None => &self.rows.row[..],
            Some(_) => &self.shape[1..],
        };
        [&[rows], row].concat()
    }

    /// An array that was read from `from`, in the order of axes in which it comes. Integers are as the model declares this
    /// input.
    pub fn reals(&self, given: FileArray, from: &dyn Display) -> Result<Array, Box<dyn Error>> {
        let (dtype, shape, bytes) = match given {
            FileArray::Reals(array) if self.dtype == Element::F16 => {
                let values = array.data.iter();
                let data = values.map(|v| f16::from_f32(*v).to_f32()).collect();
                return Ok(Array {
                    data: Arc::new(data),
                    ..array
                });
            }
            FileArray::Reals(array) => return Ok(array),
            FileArray::Others(element, array) if element == self.dtype => {
                return self.counted(element, array, from);
            }
            FileArray::Others(element, _) => return Err(self.takes(from, element.name())),
            FileArray::Integers { dtype, shape, bytes } => (dtype, shape, bytes),
        };
        let affine = self.port.integer.filter(|affine| affine.dtype == dtype);
        let affine = affine.ok_or_else(|| self.takes(from, dtype.name()))?;
        let data = Arc::new(affine.reals(&bytes));
        Ok(Array { shape, data })
    }

    /// Integers that float32 counts to.
    fn counted(&self, element: Element, array: Array, from: &dyn Display) -> Result<Array, Box<dyn Error>> {
        match array.data.iter().find(|value| !element.holds(**value)) {
            None => Ok(array),
            Some(value) => Err(format!(
                "{from} holds an integer of about {value} for input `{}`: integers are passed as float32 here, which counts to {}",
                self.name,
                Element::MOST
            )
            .into()),
        }
    }

    /// An array of another type than this input's.
    fn takes(&self, from: &dyn Display, held: &str) -> Box<dyn Error> {
        let integer = self.port.integer.map(|affine| affine.dtype.name());
        let declared = integer.unwrap_or(self.dtype.name());
        helped(
            format!("{from} holds {held}, and input `{}` takes {declared}", self.name),
            "real numbers in a float32 array are taken too",
        )
    }

    /// An array of this input in the network's order of axes, as [`arrange`] tells which one it is in.
    pub fn arranged(&self, array: Array) -> Result<Array, SessionError> {
        arrange(&self.name, &self.network, &self.port, array)
    }
}

/// Reads pictures, folders of pictures, one `.npy`, or one `.npz` with an array per input.
pub fn read(
    files: &[PathBuf],
    inputs: &[Input],
    preprocess: Option<&Preprocess>,
    output: &Output,
) -> Result<Batch, Box<dyn Error>> {
    match files {
        [file] if is(file, "npy") => {
            let first = inputs.first().ok_or("the network has no inputs")?;
            let array = first.reals(arrays::read_npy(file)?, &file.display())?;
            Ok(Batch::of_arrays(vec![array], inputs))
        }
        [file] if is(file, "npz") => {
            let arrays = arrays::read_npz(file)?;
            let arrays = by_name(arrays, inputs, &file.display())?;
            Ok(Batch::of_arrays(arrays, inputs))
        }
        _ if files.iter().any(|file| is(file, "npy") || is(file, "npz")) => {
            Err("give one .npy or .npz file, or pictures".into())
        }
        _ => pictures(&expand(files)?, inputs, preprocess, output),
    }
}

fn is(file: &Path, extension: &str) -> bool {
    file.extension()
        .is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// The arrays in the order of the network's inputs; `from` says where they were read.
pub fn by_name(
    mut arrays: Vec<(String, FileArray)>,
    inputs: &[Input],
    from: &dyn Display,
) -> Result<Vec<Array>, Box<dyn Error>> {
    let names: Vec<String> = arrays.iter().map(|(name, _)| name.clone()).collect();
    let mut ordered = Vec::new();
    for input in inputs {
        let name = &input.name;
        let at = arrays.iter().position(|(other, _)| other == name);
        let at = at.ok_or_else(|| format!("{from} has no array `{name}`, only {}", names.join(", ")))?;
        ordered.push(input.reals(arrays.swap_remove(at).1, from)?);
    }
    match arrays.first() {
        Some((name, _)) => Err(format!("{from}: the network has no input `{name}`").into()),
        None => Ok(ordered),
    }
}

/// Files as they are, folders as the pictures in them, sorted.
pub fn expand(files: &[PathBuf]) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut expanded = Vec::new();
    for file in files {
        if !file.is_dir() {
            expanded.push(file.clone());
            continue;
        }
        let entries = fs::read_dir(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
        let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inside.retain(|path| ["jpg", "jpeg", "png", "bmp"].iter().any(|e| is(path, e)));
        inside.sort();
        if inside.is_empty() {
            return Err(format!("{} has no .jpg, .png or .bmp files", file.display()).into());
        }
        expanded.extend(inside);
    }
    Ok(expanded)
}

fn pictures(
    files: &[PathBuf],
    inputs: &[Input],
    preprocess: Option<&Preprocess>,
    output: &Output,
) -> Result<Batch, Box<dyn Error>> {
    let (frame, preprocess) = picture_frame(inputs, preprocess)?;
    let bar = output.progress(files.len(), "reading pictures");
    let mut data = Vec::new();
    for file in files {
        data.extend(row(file, frame, preprocess)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(Batch {
        arrays: vec![Array {
            shape: inputs[0].stacked(files.len()),
            data: Arc::new(data),
        }],
        names: files.iter().map(|file| file.display().to_string()).collect(),
    })
}

/// How a picture becomes a row of this network.
pub fn picture_frame<'a>(
    inputs: &[Input],
    preprocess: Option<&'a Preprocess>,
) -> Result<(Frame, &'a Preprocess), Box<dyn Error>> {
    let frame = match inputs {
        [only] => Frame::of(&only.stacked(1)),
        _ => None,
    };
    let frame = frame
        .ok_or("the network does not take one picture of three channels per row: give a .npy or .npz file")?;
    let preprocess = preprocess.ok_or_else(|| {
        helped(
            "the artifact does not say how pictures become input",
            format!("give --preprocess {}", Preprocess::PRESETS.join("|")),
        )
    })?;
    Ok((frame, preprocess))
}

/// The first `rows` rows, repeating from the front when there are fewer.
pub fn repeat(array: &Array, rows: usize) -> Array {
    let have = array.shape.first().copied().unwrap_or(0);
    let width = array.data.len().checked_div(have).unwrap_or(0);
    let mut data = Vec::with_capacity(rows * width);
    while data.len() < rows * width {
        let wanted = (rows * width - data.len()).min(array.data.len());
        data.extend_from_slice(&array.data[..wanted]);
    }
    let mut shape = array.shape.clone();
    shape[0] = rows;
    Array {
        shape,
        data: Arc::new(data),
    }
}
