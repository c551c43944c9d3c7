//! Built engines on disk, one file each. A file is complete or not there, and what it holds is checked before it is used.

mod file;
mod key;
mod rates;
#[cfg(test)]
mod tests;

pub use key::{CacheKey, DeviceKind};
pub use rates::{Rate, RateFile, RateKey};

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

const EXTENSION: &str = "plan";
/// Files being written; what a killed process leaves behind starts like this too.
const PART: &str = ".part-";

/// A folder of plan files. It is made when the first one is stored.
#[derive(Debug, Clone)]
pub struct EngineCache {
    folder: PathBuf,
}

/// What the cache has for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Hit(Vec<u8>),
    Absent,
    /// There is a file, and why it cannot be used: the engine has to be built again, and the user to be told.
    Unusable {
        path: PathBuf,
        reason: String,
    },
}

/// One file of the cache.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: PathBuf,
    pub bytes: u64,
    pub modified: Option<SystemTime>,
    /// What it was built from, or why it cannot be used.
    pub key: Result<CacheKey, String>,
}

/// What [`EngineCache::clear`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClearedFiles {
    pub files: usize,
    pub bytes: u64,
}

/// The disk refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`: {source}{}", path.display(), help(source))]
pub struct CacheError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn help(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "\nhelp: make room, `tvm-dla cache clear`, or name another folder with --cache DIR; nothing was lost"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "\nhelp: name a folder of your own with --cache DIR"
        }
        _ => "",
    }
}

impl EngineCache {
    pub fn new(folder: impl Into<PathBuf>) -> EngineCache {
        EngineCache {
            folder: folder.into(),
        }
    }

    /// The folder that was named, else `tvm-dla` in the user's folder of caches, else in `.cache` at home.
    pub fn usual(named: Option<PathBuf>, caches: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
        let caches = caches.or_else(|| Some(home?.join(".cache")));
        named.or_else(|| Some(caches?.join("tvm-dla")))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the plan of `key` is or will be.
    pub fn path(&self, key: &CacheKey) -> PathBuf {
        self.folder.join(key.file_name())
    }

    /// The plan of `key`.
    pub fn load(&self, key: &CacheKey) -> Lookup {
        let path = self.path(key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Lookup::Absent,
            Err(error) => {
                let reason = format!("it cannot be read: {error}");
                return Lookup::Unusable { path, reason };
            }
        };
        match file::parse(bytes) {
            Ok((found, plan)) if found == *key => Lookup::Hit(plan),
            Ok(_) => Lookup::Unusable {
                path,
                reason: "it was built from something else".into(),
            },
            Err(reason) => Lookup::Unusable { path, reason },
        }
    }

    /// Stores the plan of `key` in place of what was there. The old file stays whole until the new one is on the disk.
    ///
    /// # Errors
    /// [`CacheError`] when the disk is full or the folder cannot be written; the cache is as it was before.
    pub fn store(&self, key: &CacheKey, plan: &[u8]) -> Result<PathBuf, CacheError> {
        let path = self.path(key);
        let failed = |source| CacheError {
            action: "store the engine as",
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let mut part = tempfile::Builder::new()
            .prefix(PART)
            .tempfile_in(&self.folder)
            .map_err(failed)?;
        write(&mut part, &file::head(key, plan), plan).map_err(failed)?;
        part.persist(&path).map_err(|e| failed(e.error))?;
        Ok(path)
    }

    /// Every plan file, in the order of their names.
    ///
    /// # Errors
    /// [`CacheError`] when the folder is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, CacheError> {
        let mut paths = self.files(is_plan)?;
        paths.sort();
        Ok(paths.into_iter().map(entry).collect())
    }

    /// Removes every plan file and every file of rates, and what interrupted writers left. Files of others stay.
    ///
    /// # Errors
    /// [`CacheError`] names the file that cannot be removed.
    pub fn clear(&self) -> Result<ClearedFiles, CacheError> {
        let mut cleared = ClearedFiles::default();
        for path in
            self.files(|name| is_plan(name) || is_ours(name, rates::EXTENSION) || name.starts_with(PART))?
        {
            let bytes = fs::metadata(&path).map_or(0, |file| file.len());
            match fs::remove_file(&path) {
                Ok(()) => {
                    cleared.files += 1;
                    cleared.bytes += bytes;
                }
                // Someone else cleared it first.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => {
                    return Err(CacheError {
                        action: "remove",
                        path,
                        source,
                    });
                }
            }
        }
        Ok(cleared)
    }

    fn files(&self, wanted: fn(&str) -> bool) -> Result<Vec<PathBuf>, CacheError> {
        let failed = |source| CacheError {
            action: "read the cache folder",
            path: self.folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_str().is_some_and(wanted) {
                paths.push(entry.path());
            }
        }
        Ok(paths)
    }
}

/// On the disk, not only in its cache: a rename that outlives the bytes would leave a torn file after a power cut.
fn write(part: &mut NamedTempFile, head: &[u8], plan: &[u8]) -> io::Result<()> {
    part.write_all(head)?;
    part.write_all(plan)?;
    part.as_file().sync_all()
}

/// 64 hexadecimal digits and the extension: nothing else is ours to list or to remove.
fn is_plan(name: &str) -> bool {
    is_ours(name, EXTENSION)
}

fn is_ours(name: &str, extension: &str) -> bool {
    let digest = name.strip_suffix(extension).and_then(|n| n.strip_suffix('.'));
    digest.is_some_and(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn entry(path: PathBuf) -> Entry {
    let metadata = fs::metadata(&path);
    let key = fs::read(&path)
        .map_err(|e| format!("it cannot be read: {e}"))
        .and_then(file::parse)
        .map(|(key, _)| key);
    Entry {
        bytes: metadata.as_ref().map_or(0, fs::Metadata::len),
        modified: metadata.and_then(|m| m.modified()).ok(),
        key,
        path,
    }
}
