//! `tvm-dla cache`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Output, bytes, counted, table};
use super::{Answer, Outcome, helped};
use crate::engine::cache::{CacheKey, EngineCache, Entry, Rate, RateFile, RateKey};

/// Where built engines are kept.
#[derive(Args, Clone, Debug)]
pub struct Folder {
    /// Folder of built engines (default: tvm-dla in $XDG_CACHE_HOME or ~/.cache)
    #[arg(long, value_name = "DIR", env = "TVM_DLA_CACHE")]
    cache: Option<PathBuf>,
}

impl Folder {
    pub fn open(&self) -> Result<EngineCache, Box<dyn std::error::Error>> {
        let variable = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
        let place = |name: &str| variable(name).map(PathBuf::from);
        let folder = EngineCache::usual(self.cache.clone(), place("XDG_CACHE_HOME"), place("HOME"));
        let folder = folder.ok_or_else(|| {
            helped(
                "there is no home folder to keep built engines in",
                "name a folder with --cache DIR or TVM_DLA_CACHE",
            )
        })?;
        Ok(EngineCache::new(folder))
    }
}

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show every built engine and all times that were measured: of what, for which library and GPU
    List(Folder),
    /// Remove every built engine and all times that were measured
    Clear(Folder),
}

#[derive(Serialize)]
struct CacheReport {
    folder: PathBuf,
    bytes: u64,
    engines: Vec<Engine>,
    /// Times that were measured, from which the next process makes its plans.
    rates: Vec<RatesEntry>,
}

#[derive(Serialize)]
struct RatesEntry {
    file: PathBuf,
    bytes: u64,
    measured_of: Option<RateKey>,
    rates: Vec<Rate>,
    /// Why the file cannot be used; it is written anew.
    unusable: Option<String>,
}

#[derive(Serialize)]
struct Engine {
    file: PathBuf,
    bytes: u64,
    /// Seconds since 1970.
    modified: Option<u64>,
    built_from: Option<CacheKey>,
    /// Why the file cannot be used; it is built again when it is needed.
    unusable: Option<String>,
}

#[derive(Serialize)]
struct ClearReport {
    folder: PathBuf,
    files: usize,
    bytes: u64,
}

pub fn run(arguments: &Arguments, output: &Output) -> Outcome {
    match &arguments.action {
        Action::List(folder) => list(&folder.open()?, output),
        Action::Clear(folder) => clear(&folder.open()?, output),
    }
}

fn list(cache: &EngineCache, output: &Output) -> Outcome {
    let engines: Vec<Engine> = cache.list()?.into_iter().map(Engine::of).collect();
    let listed = CacheReport {
        folder: cache.folder().to_path_buf(),
        bytes: engines.iter().map(|engine| engine.bytes).sum(),
        engines,
        rates: cache.list_rates()?.into_iter().map(RatesEntry::of).collect(),
    };
    output.answer(&listed, || listed.human(), Answer::Yes)
}

fn clear(cache: &EngineCache, output: &Output) -> Outcome {
    let cleared = cache.clear()?;
    let removed = ClearReport {
        folder: cache.folder().to_path_buf(),
        files: cleared.files,
        bytes: cleared.bytes,
    };
    let human = || {
        let (folder, size) = (removed.folder.display(), bytes(removed.bytes));
        format!(
            "removed {} ({size}) from {folder}",
            counted(removed.files, "file")
        )
    };
    output.answer(&removed, human, Answer::Yes)
}

impl Engine {
    fn of(entry: Entry) -> Engine {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map(|d| d.as_secs());
        let (built_from, unusable) = match entry.key {
            Ok(key) => (Some(key), None),
            Err(reason) => (None, Some(reason)),
        };
        Engine {
            file: entry.path,
            bytes: entry.bytes,
            modified: entry.modified.and_then(|time| seconds(time).ok()),
            built_from,
            unusable,
        }
    }

    fn row(&self) -> Vec<String> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let (short, size) = (name.chars().take(12).collect(), bytes(self.bytes));
        match (&self.built_from, &self.unusable) {
            (Some(key), _) => vec![
                short,
                size,
                format!("{} of {}", key.stage, key.network),
                format!("{} x{} {}", key.device, key.batch, key.precision),
                key.library.clone(),
                key.gpu.clone(),
            ],
            (None, reason) => {
                let reason = reason.as_deref().unwrap_or_default();
                vec![short, size, format!("unusable: {reason}")]
            }
        }
    }
}

impl RatesEntry {
    fn of(file: RateFile) -> RatesEntry {
        let (measured_of, rates, unusable) = match file.rates {
            Ok((key, rates)) => (Some(key), rates, None),
            Err(reason) => (None, Vec::new(), Some(reason)),
        };
        RatesEntry {
            file: file.path,
            bytes: file.bytes,
            measured_of,
            rates,
            unusable,
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let short: String = name.chars().take(12).collect();
        let Some(key) = &self.measured_of else {
            let reason = self.unusable.as_deref().unwrap_or_default();
            return vec![vec![short, bytes(self.bytes), format!("unusable: {reason}")]];
        };
        let row = |rate: &Rate| {
            vec![
                short.clone(),
                format!("{} of {}", rate.stage, key.network),
                format!("{} x{} {}", rate.device, rate.batch, key.precision),
                format!("{:.3} ms", rate.us / 1e3),
                key.power.clone(),
                key.library.clone(),
                key.gpu.clone(),
            ]
        };
        self.rates.iter().map(row).collect()
    }
}

impl CacheReport {
    fn human(&self) -> String {
        let (folder, count, size) = (
            self.folder.display(),
            counted(self.engines.len(), "engine"),
            bytes(self.bytes),
        );
        let rows: Vec<Vec<String>> = self.engines.iter().map(Engine::row).collect();
        let engines = format!("{folder}: {count}, {size}\n{}", table(&rows));
        if self.rates.is_empty() {
            return engines;
        }
        let rates: Vec<Vec<String>> = self.rates.iter().flat_map(RatesEntry::rows).collect();
        let count = counted(self.rates.len(), "network");
        format!(
            "{engines}\ntimes that were measured, of {count}\n{}",
            table(&rates)
        )
    }
}
