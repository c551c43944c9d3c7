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
use ndarray_npy::{
    NpzReader, NpzWriter, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement, WritableElement,
    WriteNpyExt,
};
use tempfile::NamedTempFile;

use super::halves::Half;
use crate::artifact::Element;
use crate::bundle::Integer;
use crate::engine::Array;

/// An array in the element type of its file; float16 is real numbers too.
pub enum FileArray {
    Reals(Array),
    /// Numbers of another type, for an input that declares it.
    Others(Element, Array),
    Integers {
        dtype: Integer,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    },
}

impl FileArray {
    /// A single row of an input of `rank` dimensions may come without the first.
    pub fn batched(mut self, rank: usize) -> FileArray {
        let (FileArray::Reals(Array { shape, .. })
        | FileArray::Others(_, Array { shape, .. })
        | FileArray::Integers { shape, .. }) = &mut self;
        if shape.len() + 1 == rank {
            shape.insert(0, 1);
        }
        self
    }
}

/// The array of a `.npy` file.
pub fn read_npy(path: &Path) -> Result<FileArray, Box<dyn Error>> {
    npy(open(path)?, &path.display())
}

/// The arrays of a `.npz` file with their names.
pub fn read_npz(path: &Path) -> Result<Vec<(String, FileArray)>, Box<dyn Error>> {
    npz(open(path)?, &path.display())
}

/// The array of what `name` calls a `.npy` file.
pub fn npy(reader: impl Read + Seek, name: &dyn Display) -> Result<FileArray, Box<dyn Error>> {
    Lone(reader).given().map_err(|e| wrong(name, &e))
}

/// The arrays of what `name` calls a `.npz` file.
pub fn npz(reader: impl Read + Seek, name: &dyn Display) -> Result<Vec<(String, FileArray)>, Box<dyn Error>> {
    let mut reader = NpzReader::new(reader).map_err(|e| wrong(name, &e))?;
    let names = reader.names().map_err(|e| wrong(name, &e))?;
    let mut arrays = Vec::new();
    for entry in names {
        let array = Member(&mut reader, &entry).given();
        let array = array.map_err(|e| wrong(name, &e))?;
        arrays.push((entry.trim_end_matches(".npy").to_string(), array));
    }
    Ok(arrays)
}

/// Where one array is read.
trait Source {
    type Error: Error;

    fn get<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, Self::Error>;

    /// Whether the array is of another type than it was read as.
    fn is_of_another(error: &Self::Error) -> bool;

    /// The array in the type that it has, which is found by trying.
    fn given(&mut self) -> Result<FileArray, Self::Error> {
        for element in Element::ALL {
            match self.get_as(element) {
                Err(error) if Self::is_of_another(&error) => {}
                done => return done,
            }
        }
        self.get_as(Element::F32)
    }

    fn get_as(&mut self, element: Element) -> Result<FileArray, Self::Error> {
        let of = |array| others(element, array);
        match element {
            Element::U8 => self.get().map(unsigned),
            Element::I8 => self.get().map(signed),
            Element::F16 => self.get().map(halves),
            Element::F32 => self.get().map(reals),
            Element::F64 => self.get().map(|array| of(array.mapv(|v: f64| v as f32))),
            Element::I16 => self.get().map(|array| of(array.mapv(|v: i16| v.into()))),
            Element::I32 => self
                .get()
                .map(|array| of(array.mapv(|v: i32| Element::whole(v.into())))),
            Element::I64 => self.get().map(|array| of(array.mapv(Element::whole))),
            Element::Bool => self
                .get()
                .map(|array| of(array.mapv(|v: bool| u8::from(v).into()))),
        }
    }
}

/// The array of a `.npy` file.
struct Lone<R>(R);

impl<R: Read + Seek> Source for Lone<R> {
    type Error = ReadNpyError;

    fn get<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, ReadNpyError> {
        self.0.rewind()?;
        ArrayD::read_npy(&mut self.0)
    }

    fn is_of_another(error: &ReadNpyError) -> bool {
        matches!(error, ReadNpyError::WrongDescriptor(_))
    }
}

/// An array in a `.npz` file, by its name.
struct Member<'a, R: Read + Seek>(&'a mut NpzReader<R>, &'a str);

impl<R: Read + Seek> Source for Member<'_, R> {
    type Error = ReadNpzError;

    fn get<T: ReadableElement>(&mut self) -> Result<ArrayD<T>, ReadNpzError> {
        self.0.by_name(self.1)
    }

    fn is_of_another(error: &ReadNpzError) -> bool {
        matches!(error, ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_)))
    }
}

fn open(path: &Path) -> Result<File, Box<dyn Error>> {
    File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

fn wrong(name: &dyn Display, error: &dyn Error) -> Box<dyn Error> {
    let types = Element::ALL.map(Element::name).join(", ");
    format!("{name} is not a NumPy file of arrays of numbers ({types}): {error}").into()
}

fn reals(array: ArrayD<f32>) -> FileArray {
    let (shape, data) = parts(array);
    let data = Arc::new(data);
    FileArray::Reals(Array { shape, data })
}

fn halves(array: ArrayD<Half>) -> FileArray {
    reals(array.mapv(|half| half.0.to_f32()))
}

/// Numbers of another type; a real number that float32 cannot hold is the nearest that it can.
fn others(element: Element, array: ArrayD<f32>) -> FileArray {
    let (shape, data) = parts(array);
    let data = Arc::new(data);
    FileArray::Others(element, Array { shape, data })
}

fn unsigned(array: ArrayD<u8>) -> FileArray {
    let (shape, bytes) = parts(array);
    let dtype = Integer::U8;
    FileArray::Integers { dtype, shape, bytes }
}

fn signed(array: ArrayD<i8>) -> FileArray {
    let (shape, integers) = parts(array);
    FileArray::Integers {
        dtype: Integer::I8,
        shape,
        bytes: integers.into_iter().map(i8::cast_unsigned).collect(),
    }
}

/// Shape, and elements in row-major order.
fn parts<T: Copy>(array: ArrayD<T>) -> (Vec<usize>, Vec<T>) {
    let shape = array.shape().to_vec();
    let data = if array.is_standard_layout() {
        array.into_raw_vec_and_offset().0
    } else {
        array.iter().copied().collect()
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
        let part =
            NamedTempFile::new_in(folder).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(ResultFile {
            path: path.to_path_buf(),
            part,
        })
    }

    /// Writes `outputs`, each in its type; a `.npz` holds them by their `names`.
    pub fn write(self, outputs: &[Array], types: &[Element], names: &[String]) -> Result<(), Box<dyn Error>> {
        let failed = |e: &dyn Display| format!("cannot write {}: {e}", self.path.display());
        let element = |at: usize| types.get(at).copied().unwrap_or(Element::F32);
        let mut file = self.part;
        match (self.path.extension().is_some_and(|e| e == "npz"), outputs) {
            (true, _) => {
                let mut writer = NpzWriter::new(file.as_file_mut());
                for (index, (array, name)) in outputs.iter().zip(names).enumerate() {
                    let added = Entry(&mut writer, name).put_as(element(index), array);
                    added.map_err(|e| failed(&e))?;
                }
                writer.finish().map_err(|e| failed(&e))?;
            }
            (false, [only]) => {
                let written = Whole(file.as_file_mut()).put_as(element(0), only);
                written.map_err(|e| failed(&e))?;
            }
            (false, many) => {
                return Err(format!(
                    "the network has {} outputs: write them to a .npz file",
                    many.len()
                )
                .into());
            }
        }
        file.flush().map_err(|e| failed(&e))?;
        // Temporary files are private, a result is not.
        let mode = Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(|e| failed(&e))?;
        file.persist(&self.path).map_err(|e| failed(&e))?;
        Ok(())
    }
}

/// Where one array is written.
trait Sink: Sized {
    fn put<T: WritableElement>(self, array: &ArrayD<T>) -> Result<(), Box<dyn Error>>;

    /// The numbers of `array` in a type that can hold them.
    fn put_as(self, element: Element, array: &Array) -> Result<(), Box<dyn Error>> {
        let array = to_ndarray(array)?;
        match element {
            Element::F32 => self.put(&array),
            Element::F16 => self.put(&array.mapv(|value| Half(f16::from_f32(value)))),
            Element::F64 => self.put(&array.mapv(f64::from)),
            Element::I8 => self.put(&array.mapv(|value| value as i8)),
            Element::I16 => self.put(&array.mapv(|value| value as i16)),
            Element::I32 => self.put(&array.mapv(|value| value as i32)),
            Element::I64 => self.put(&array.mapv(|value| value as i64)),
            Element::U8 => self.put(&array.mapv(|value| value as u8)),
            Element::Bool => self.put(&array.mapv(|value| value != 0.0)),
        }
    }
}

/// An array in a `.npz` file, by its name.
struct Entry<'a, W: Write + Seek>(&'a mut NpzWriter<W>, &'a str);

impl<W: Write + Seek> Sink for Entry<'_, W> {
    fn put<T: WritableElement>(self, array: &ArrayD<T>) -> Result<(), Box<dyn Error>> {
        Ok(self.0.add_array(self.1, array)?)
    }
}

/// The array of a `.npy` file.
struct Whole<W>(W);

impl<W: Write> Sink for Whole<W> {
    fn put<T: WritableElement>(self, array: &ArrayD<T>) -> Result<(), Box<dyn Error>> {
        Ok(array.write_npy(self.0)?)
    }
}

fn to_ndarray(array: &Array) -> Result<ArrayD<f32>, Box<dyn Error>> {
    Ok(ArrayD::from_shape_vec(array.shape.clone(), array.data.to_vec())?)
}
