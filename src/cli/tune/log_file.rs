//! The log of a tuning on disk.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::cli::helped;
use crate::tune::measure::{Entry, Head, read};

/// Lines are added and flushed one by one.
pub struct LogFile {
    path: PathBuf,
    file: File,
    pub entries: Vec<Entry>,
}

impl LogFile {
    /// Continues the log at `path`, or begins it.
    pub fn open(path: &Path, head: &Head) -> Result<LogFile, Box<dyn Error>> {
        let place = path.display();
        let cannot = |error: std::io::Error| {
            helped(
                format!("cannot write the log {place}: {error}"),
                "name another place with --log",
            )
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(cannot)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(cannot)?;
        let log = read(&text, head).map_err(|error| {
            helped(
                format!("cannot continue the log {place}: {error}"),
                "name another log with --log, or delete this one to begin anew",
            )
        })?;
        // A line that was cut off while it was written is written over.
        file.set_len(log.whole as u64).map_err(cannot)?;
        file.seek(SeekFrom::End(0)).map_err(cannot)?;
        if log.whole == 0 {
            file.write_all(head.line().as_bytes()).map_err(cannot)?;
        }
        Ok(LogFile {
            path: path.to_path_buf(),
            file,
            entries: log.entries,
        })
    }

    pub fn add(&mut self, entry: Entry) -> Result<(), Box<dyn Error>> {
        let written = self.file.write_all(entry.line().as_bytes());
        written
            .and_then(|()| self.file.flush())
            .map_err(|error| format!("cannot write the log {}: {error}", self.path.display()))?;
        self.entries.push(entry);
        Ok(())
    }
}
