//! Raw arrays from `.npy` and `.npz` files.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError};

use super::error::CliError;
use crate::engine::Array;

/// A float32 array.
pub fn read_npy(path: &Path) -> Result<Array, CliError> {
    let file = open(path)?;
    let array = ArrayD::<f32>::read_npy(BufReader::new(file)).map_err(|e| wrong(path, "", e))?;
    Ok(dense(array))
}

/// All arrays of an archive with their names, sorted by name.
pub fn read_npz(path: &Path) -> Result<Vec<(String, Array)>, CliError> {
    let archive = |error: ReadNpzError| CliError::Array {
        path: path.to_path_buf(),
        reason: format!("it is not a NumPy archive: {error}"),
    };
    let mut reader = NpzReader::new(BufReader::new(open(path)?)).map_err(archive)?;
    let mut names = reader.names().map_err(archive)?;
    names.sort();
    let mut arrays = Vec::with_capacity(names.len());
    for name in names {
        let array: ArrayD<f32> = reader.by_name(&name).map_err(|error| match error {
            ReadNpzError::Npy(error) => wrong(path, &format!("`{name}`: "), error),
            other => archive(other),
        })?;
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        arrays.push((name, dense(array)));
    }
    Ok(arrays)
}

fn open(path: &Path) -> Result<File, CliError> {
    File::open(path).map_err(|error| CliError::Unreadable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

fn wrong(path: &Path, what: &str, error: ReadNpyError) -> CliError {
    let reason = match error {
        ReadNpyError::WrongDescriptor(found) => format!(
            "{what}its element type is {found} instead of float32 ('<f4'): save it as array.astype(\"float32\")"
        ),
        other => format!("{what}it is not a NumPy array: {other}"),
    };
    CliError::Array {
        path: path.to_path_buf(),
        reason,
    }
}

/// In row-major order, whatever order the file had.
fn dense(array: ArrayD<f32>) -> Array {
    let shape = array.shape().to_vec();
    let data = match array.is_standard_layout() {
        true => array.into_raw_vec_and_offset().0,
        false => array.iter().copied().collect(),
    };
    Array {
        shape,
        data: data.into(),
    }
}
