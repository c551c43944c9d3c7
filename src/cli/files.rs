//! Files of text that are complete or not there.

use std::error::Error;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Written beside its place and renamed.
pub struct TextFile {
    path: PathBuf,
    part: NamedTempFile,
}

impl TextFile {
    /// Fails before any work is done when the place cannot be written.
    pub fn create(path: &Path) -> Result<TextFile, Box<dyn Error>> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let part = NamedTempFile::new_in(folder);
        let part = part.map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        Ok(TextFile {
            path: path.to_path_buf(),
            part,
        })
    }

    pub fn write(mut self, text: &str) -> Result<(), Box<dyn Error>> {
        let failed = |e: &dyn Error| format!("cannot write {}: {e}", self.path.display());
        self.part.write_all(text.as_bytes()).map_err(|e| failed(&e))?;
        // Temporary files are private, a result is not.
        let mode = Permissions::from_mode(0o644);
        let file = self.part.as_file();
        file.set_permissions(mode).map_err(|e| failed(&e))?;
        self.part.persist(&self.path).map_err(|e| failed(&e))?;
        Ok(())
    }
}
