//! NumPy files.

use std::error::Error;
use std::fmt::Display;
use std::fs::{File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use half::f16;
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, NpzWriter, ReadNpyError, ReadNpyExt, ReadNpzError, WriteNpyExt};
use tempfile::NamedTempFile;

use super::halves::Half;
use crate::bundle::Integer;
use crate::engine::Array;
use crate::graph::DType;

/// Element types that files may have.
#[derive(Clone, Copy)]
enum Element {
    Integer(Integer),
    Half,
    Float,
}

/// An array in the element type of its file; float16 is real numbers too.
pub enum Given {
    Reals(Array),
    Integers {
        dtype: Integer,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    },
}

impl Given {
    /// A single row of an input of `rank` dimensions may come without the first.
    pub fn batched(mut self, rank: usize) -> Given {
        let (Given::Reals(Array { shape, .. }) | Given::Integers { shape, .. }) = &mut self;
        if shape.len() + 1 == rank {
            shape.insert(0, 1);
        }
        self
    }
}

/// The array of a `.npy` file.
pub fn read_npy(path: &Path) -> Result<Given, Box<dyn Error>> {
    npy(open(path)?, &path.display())
}

/// The arrays of a `.npz` file with their names.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Given)>, Box<dyn Error>> {
    npz(open(path)?, &path.display())
}

/// The array of what `name` calls a `.npy` file.
pub fn npy(mut reader: impl Read + Seek, name: &dyn Display) -> Result<Given, Box<dyn Error>> {
    let read = |dtype| {
        reader.rewind()?;
        match dtype {
            Element::Integer(Integer::U8) => ArrayD::read_npy(&mut reader).map(unsigned),
            Element::Integer(Integer::I8) => ArrayD::read_npy(&mut reader).map(signed),
            Element::Half => ArrayD::read_npy(&mut reader).map(halves),
            Element::Float => ArrayD::read_npy(&mut reader).map(reals),
        }
    };
    let another = |error: &_| matches!(error, ReadNpyError::WrongDescriptor(_));
    in_its_type(read, another).map_err(|e| wrong(name, &e))
}

/// The arrays of what `name` calls a `.npz` file.
pub fn npz(
    reader: impl Read + Seek,
    name: &dyn Display,
) -> Result<Vec<(String, Given)>, Box<dyn Error>> {
    let mut reader = NpzReader::new(reader).map_err(|e| wrong(name, &e))?;
    let names = reader.names().map_err(|e| wrong(name, &e))?;
    let mut arrays = Vec::new();
    for entry in names {
        let read = |dtype| match dtype {
            Element::Integer(Integer::U8) => reader.by_name(&entry).map(unsigned),
            Element::Integer(Integer::I8) => reader.by_name(&entry).map(signed),
            Element::Half => reader.by_name(&entry).map(halves),
            Element::Float => reader.by_name(&entry).map(reals),
        };
        let another =
            |error: &_| matches!(error, ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_)));
        let array = in_its_type(read, another).map_err(|e| wrong(name, &e))?;
        arrays.push((entry.trim_end_matches(".npy").to_string(), array));
    }
    Ok(arrays)
}

/// Reads as one type after another; `another` tells the error of a file of another type.
fn in_its_type<E>(
    mut read: impl FnMut(Element) -> Result<Given, E>,
    another: impl Fn(&E) -> bool,
) -> Result<Given, E> {
    let integers = [Integer::U8, Integer::I8].map(Element::Integer);
    for element in integers.into_iter().chain([Element::Half]) {
        match read(element) {
            Err(error) if another(&error) => {}
            done => return done,
        }
    }
    read(Element::Float)
}

fn open(path: &Path) -> Result<File, Box<dyn Error>> {
    File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

fn wrong(name: &dyn Display, error: &dyn Error) -> Box<dyn Error> {
    format!("{name} is not a NumPy file of float32, float16, uint8 or int8 arrays: {error}").into()
}

fn reals(array: ArrayD<f32>) -> Given {
    let (shape, data) = parts(array);
    let data = Arc::new(data);
    Given::Reals(Array { shape, data })
}

fn halves(array: ArrayD<Half>) -> Given {
    reals(array.mapv(|half| half.0.to_f32()))
}

fn unsigned(array: ArrayD<u8>) -> Given {
    let (shape, bytes) = parts(array);
    let dtype = Integer::U8;
    Given::Integers {
        dtype,
        shape,
        bytes,
    }
}

fn signed(array: ArrayD<i8>) -> Given {
    let (shape, integers) = parts(array);
    Given::Integers {
        dtype: Integer::I8,
        shape,
        bytes: integers.into_iter().map(i8::cast_unsigned).collect(),
    }
}

/// Shape, and elements in row-major order.
fn parts<T: Copy>(array: ArrayD<T>) -> (Vec<usize>, Vec<T>) {
    let shape = array.shape().to_vec();
    let data = match array.is_standard_layout() {
        true => array.into_raw_vec_and_offset().0,
        false => array.iter().copied().collect(),
    };
    (shape, data)
}

/// A result file that is complete or not there: written beside its place and renamed.
pub struct ResultFile {
    path: PathBuf,
    part: NamedTempFile,
}

impl ResultFile {
    /// Fails before any work is done when the place cannot be written.
    pub fn create(path: &Path) -> Result<ResultFile, Box<dyn Error>> {
        let known = ["npy", "npz"].map(|e| path.extension().is_some_and(|other| other == e));
        if !known.contains(&true) {
            return Err(format!("{}: write to a .npy or .npz file", path.display()).into());
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let part = NamedTempFile::new_in(folder)
            .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(ResultFile {
            path: path.to_path_buf(),
            part,
        })
    }

    /// Writes `outputs`, each in its type; a `.npz` holds `output_0`, `output_1`, ...
    pub fn write(self, outputs: &[Array], types: &[DType]) -> Result<(), Box<dyn Error>> {
        let failed = |e: &dyn Error| format!("cannot write {}: {e}", self.path.display());
        let mut file = self.part;
        match (self.path.extension().is_some_and(|e| e == "npz"), outputs) {
            (true, _) => {
                let mut writer = NpzWriter::new(file.as_file_mut());
                for (index, array) in outputs.iter().enumerate() {
                    let name = format!("output_{index}");
                    let array = to_ndarray(array)?;
                    let added = match types.get(index) {
                        Some(DType::F16) => writer.add_array(name, &to_halves(&array)),
                        _ => writer.add_array(name, &array),
                    };
                    added.map_err(|e| failed(&e))?;
                }
                writer.finish().map_err(|e| failed(&e))?;
            }
            (false, [only]) => {
                let array = to_ndarray(only)?;
                let written = match types.first() {
                    Some(DType::F16) => to_halves(&array).write_npy(file.as_file_mut()),
                    _ => array.write_npy(file.as_file_mut()),
                };
                written.map_err(|e| failed(&e))?;
            }
            (false, many) => {
                return Err(format!(
                    "the network has {} outputs: write them to a .npz file",
                    many.len()
                )
                .into())
            }
        }
        file.flush().map_err(|e| failed(&e))?;
        // Temporary files are private, a result is not.
        let mode = Permissions::from_mode(0o644);
        file.as_file()
            .set_permissions(mode)
            .map_err(|e| failed(&e))?;
        file.persist(&self.path).map_err(|e| failed(&e))?;
        Ok(())
    }
}

fn to_halves(array: &ArrayD<f32>) -> ArrayD<Half> {
    array.mapv(|value| Half(f16::from_f32(value)))
}

fn to_ndarray(array: &Array) -> Result<ArrayD<f32>, Box<dyn Error>> {
    Ok(ArrayD::from_shape_vec(
        array.shape.clone(),
        array.data.to_vec(),
    )?)
}
