//! Files that appear all together or not at all.

use std::error::Error;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::helped;

/// Files on their way into one folder.
pub struct Files {
    folder: PathBuf,
    force: bool,
    /// The folder is new, and goes again when nothing comes into it.
    made: bool,
    parts: Vec<(PathBuf, NamedTempFile)>,
}

impl Files {
    /// Makes the folder when its parent exists.
    pub fn open(folder: &Path, force: bool) -> Result<Files, Box<dyn Error>> {
        let shown = folder.display();
        if folder.exists() && !folder.is_dir() {
            return Err(helped(
                format!("{shown} is a file, not a folder"),
                "name a folder with --onnx",
            ));
        }
        let made = !folder.exists();
        if made {
            fs::create_dir(folder).map_err(|e| format!("cannot make the folder {shown}: {e}"))?;
        }
        Ok(Files {
            folder: folder.to_path_buf(),
            force,
            made,
            parts: Vec::new(),
        })
    }

    /// Refuses a file that exists, unless files may be replaced.
    pub fn check(&self, name: &str) -> Result<(), Box<dyn Error>> {
        let path = self.folder.join(name);
        if path.exists() && !self.force {
            Err(helped(
                format!("{} exists", path.display()),
                "replace it with --force, or name another folder",
            ))
        } else {
            Ok(())
        }
    }

    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Box<dyn Error>> {
        let path = self.folder.join(name);
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
        let mut part = NamedTempFile::new_in(&self.folder).map_err(failed)?;
        part.write_all(content).map_err(failed)?;
        // Temporary files are private, a result is not.
        let mode = Permissions::from_mode(0o644);
        part.as_file().set_permissions(mode).map_err(failed)?;
        self.parts.push((path, part));
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), Box<dyn Error>> {
        for (path, part) in self.parts.drain(..) {
            let failed = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
            if self.force {
                part.persist(&path).map_err(|e| failed(e.error))?
            } else {
                part.persist_noclobber(&path).map_err(|e| failed(e.error))?
            };
            self.made = false;
        }
        Ok(())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.parts.clear();
        if self.made {
            // Only an empty folder can be removed so; one that someone else filled stays.
            let _ = fs::remove_dir(&self.folder);
        }
    }
}
