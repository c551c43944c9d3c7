//! Output files: complete or not there.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use ndarray::ArrayViewD;
use ndarray_npy::{NpzWriter, WriteNpyExt};
use tempfile::NamedTempFile;

use super::error::{CliError, Failure};
use crate::engine::Array;

/// A file that will appear under its name when it is complete. Making it proves that it can be written.
pub struct Output {
    path: PathBuf,
    file: NamedTempFile,
    kind: Kind,
}

enum Kind {
    Npy,
    Npz,
}

impl Output {
    /// # Errors
    /// [`CliError::Unwritable`] when the folder cannot be written to, or the name says no known format.
    pub fn create(path: &Path) -> Result<Output, CliError> {
        let unwritable = |reason: String| CliError::Unwritable {
            path: path.to_path_buf(),
            reason,
        };
        let kind = match path.extension().and_then(|e| e.to_str()) {
            Some("npy") => Kind::Npy,
            Some("npz") => Kind::Npz,
            _ => return Err(unwritable("its name must end in .npy or .npz".into())),
        };
        if path.is_dir() {
            return Err(unwritable("it is a folder".into()));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".tvm-dla-")
            .tempfile_in(folder)
            .map_err(|e| unwritable(e.to_string()))?;
        Ok(Output {
            path: path.to_path_buf(),
            file,
            kind,
        })
    }

    /// Refuses what the format cannot hold, before anything is computed.
    pub fn check(&self, outputs: usize) -> Result<(), CliError> {
        match (&self.kind, outputs) {
            (Kind::Npy, 2..) => Err(CliError::Unwritable {
                path: self.path.clone(),
                reason: format!("the network has {outputs} outputs, and .npy holds one: use .npz"),
            }),
            _ => Ok(()),
        }
    }

    /// Writes the arrays and gives the file its name.
    pub fn write(self, names: &[String], arrays: &[Array]) -> Result<(), Failure> {
        let mut writer = BufWriter::new(self.file.as_file());
        match self.kind {
            Kind::Npy => view(&arrays[0])?.write_npy(&mut writer)?,
            Kind::Npz => {
                let mut archive = NpzWriter::new(&mut writer);
                for (name, array) in names.iter().zip(arrays) {
                    archive.add_array(name.as_str(), &view(array)?)?;
                }
                archive.finish()?;
            }
        }
        writer.flush()?;
        drop(writer);
        self.readable_like_any_file()?;
        self.file.persist(&self.path)?;
        Ok(())
    }

    /// Temporary files are private; a result is not.
    fn readable_like_any_file(&self) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::Permissions::from_mode(0o644);
        self.file.as_file().set_permissions(mode)
    }
}

fn view(array: &Array) -> Result<ArrayViewD<'_, f32>, Failure> {
    Ok(ArrayViewD::from_shape(array.shape.clone(), &array.data)?)
}
