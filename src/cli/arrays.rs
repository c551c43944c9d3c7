//! NumPy files.

use std::error::Error;
use std::fmt::Display;
use std::fs::{File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::ArrayD;
use ndarray_npy::{NpzReader, NpzWriter, ReadNpyExt, WriteNpyExt};
use tempfile::NamedTempFile;

use crate::engine::Array;

/// The array of a `.npy` file.
pub fn read_npy(path: &Path) -> Result<Array, Box<dyn Error>> {
    npy(open(path)?, &path.display())
}

/// The arrays of a `.npz` file with their names.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>, Box<dyn Error>> {
    npz(open(path)?, &path.display())
}

/// The array of what `name` calls a `.npy` file.
pub fn npy(reader: impl Read, name: &dyn Display) -> Result<Array, Box<dyn Error>> {
    let array = ArrayD::<f32>::read_npy(reader).map_err(|e| wrong(name, &e))?;
    Ok(from_ndarray(array))
}

/// The arrays of what `name` calls a `.npz` file.
pub fn npz(
    reader: impl Read + Seek,
    name: &dyn Display,
) -> Result<Vec<(String, Array)>, Box<dyn Error>> {
    let mut reader = NpzReader::new(reader).map_err(|e| wrong(name, &e))?;
    let names = reader.names().map_err(|e| wrong(name, &e))?;
    let mut arrays = Vec::new();
    for entry in names {
        let array: ArrayD<f32> = reader.by_name(&entry).map_err(|e| wrong(name, &e))?;
        let entry = entry.trim_end_matches(".npy").to_string();
        arrays.push((entry, from_ndarray(array)));
    }
    Ok(arrays)
}

fn open(path: &Path) -> Result<File, Box<dyn Error>> {
    File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()).into())
}

fn wrong(name: &dyn Display, error: &dyn Error) -> Box<dyn Error> {
    format!("{name} is not a NumPy file of float32 arrays: {error}").into()
}

fn from_ndarray(array: ArrayD<f32>) -> Array {
    let shape = array.shape().to_vec();
    let data = match array.is_standard_layout() {
        true => array.into_raw_vec_and_offset().0,
        false => array.iter().copied().collect(),
    };
    Array {
        shape,
        data: Arc::new(data),
    }
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

    /// Writes `outputs`; a `.npz` holds `output_0`, `output_1`, ...
    pub fn write(self, outputs: &[Array]) -> Result<(), Box<dyn Error>> {
        let failed = |e: &dyn Error| format!("cannot write {}: {e}", self.path.display());
        let mut file = self.part;
        match (self.path.extension().is_some_and(|e| e == "npz"), outputs) {
            (true, _) => {
                let mut writer = NpzWriter::new(file.as_file_mut());
                for (index, array) in outputs.iter().enumerate() {
                    let name = format!("output_{index}");
                    writer
                        .add_array(name, &to_ndarray(array)?)
                        .map_err(|e| failed(&e))?;
                }
                writer.finish().map_err(|e| failed(&e))?;
            }
            (false, [only]) => to_ndarray(only)?
                .write_npy(file.as_file_mut())
                .map_err(|e| failed(&e))?,
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

fn to_ndarray(array: &Array) -> Result<ArrayD<f32>, Box<dyn Error>> {
    Ok(ArrayD::from_shape_vec(
        array.shape.clone(),
        array.data.to_vec(),
    )?)
}
