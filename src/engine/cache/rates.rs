//! What executions were seen to take, beside the engines: one JSON file per network and machine.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::hex;
use super::{CacheError, EngineCache, PART};
use crate::engine::StageKind;
use crate::plan::Device;

pub(super) const EXTENSION: &str = "rates";
const VERSION: u32 = 1;

/// Largest file that is read: thousands of kinds of executions.
const LARGEST: u64 = 4 << 20;

/// What rates depend on: they are the same exactly when all of this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateKey {
    /// The network's name, for people.
    pub network: String,
    /// [`crate::bundle::digest`] of the network as compiled.
    pub digest: String,
    pub precision: String,
    /// Every other build option, as one line of JSON.
    pub options: String,
    pub library: String,
    pub gpu: String,
    pub compute_capability: (u32, u32),
    /// The board's power mode, as the system names it.
    pub power: String,
    pub program: String,
}

/// One kind of execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    pub stage: StageKind,
    #[serde(with = "crate::plan::name")]
    pub device: Device,
    /// Rows per execution.
    pub batch: usize,
    /// Microseconds.
    pub us: f64,
    /// Of single executions, relative to the mean.
    pub variance: f64,
    /// Executions that the mean stands for.
    pub count: f64,
    pub batches: u32,
}

/// A file of rates, for `cache list`.
#[derive(Debug, Clone)]
pub struct RateFile {
    pub path: PathBuf,
    pub bytes: u64,
    /// What it holds, or why it cannot be used.
    pub rates: Result<(RateKey, Vec<Rate>), String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredRates {
    version: u32,
    key: RateKey,
    rates: Vec<Rate>,
}

impl RateKey {
    fn file_name(&self) -> String {
        let json = serde_json::to_vec(self).expect("a key is plain data");
        format!("{}.{EXTENSION}", hex(&Sha256::digest(json)))
    }
}

impl EngineCache {
    /// What is known for `key`; nothing where nothing was stored.
    ///
    /// # Errors
    /// In words, which file cannot be used and why.
    pub fn rates(&self, key: &RateKey) -> Result<Vec<Rate>, String> {
        let path = self.folder().join(key.file_name());
        let refused = |reason: String| format!("{} is not used: {reason}", path.display());
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            _ => {}
        }
        match read(&path).map_err(refused)? {
            (found, rates) if found == *key => Ok(rates),
            _ => Err(refused("it is of something else".into())),
        }
    }

    /// Stores rates in place of those of before; what only the file knows is kept. Readers see the old file or the new one.
    ///
    /// # Errors
    /// [`CacheError`] when the disk is full or the folder cannot be written.
    pub fn store_rates(&self, key: &RateKey, new: &[Rate]) -> Result<(), CacheError> {
        let path = self.folder().join(key.file_name());
        let failed = |source| CacheError {
            action: "store rates as",
            path: path.clone(),
            source,
        };
        // Another process may have stored what this one has not seen.
        let mut rates = self.rates(key).unwrap_or_default();
        let kind = |rate: &Rate| (rate.stage, rate.device, rate.batch);
        rates.retain(|old| new.iter().all(|rate| kind(rate) != kind(old)));
        rates.extend_from_slice(new);
        rates.sort_by_key(kind);
        let stored = StoredRates {
            version: VERSION,
            key: key.clone(),
            rates,
        };
        let json = serde_json::to_vec(&stored).expect("rates are plain data");
        fs::create_dir_all(self.folder()).map_err(failed)?;
        let mut part = tempfile::Builder::new()
            .prefix(PART)
            .tempfile_in(self.folder())
            .map_err(failed)?;
        part.write_all(&json).map_err(failed)?;
        part.persist(&path).map_err(|e| failed(e.error))?;
        Ok(())
    }

    /// Every file of rates, in the order of their names.
    ///
    /// # Errors
    /// [`CacheError`] when the folder is there and cannot be read.
    pub fn list_rates(&self) -> Result<Vec<RateFile>, CacheError> {
        let mut paths = self.files(|name| super::is_ours(name, EXTENSION))?;
        paths.sort();
        let file = |path: PathBuf| RateFile {
            bytes: fs::metadata(&path).map_or(0, |file| file.len()),
            rates: read(&path),
            path,
        };
        Ok(paths.into_iter().map(file).collect())
    }
}

fn read(path: &std::path::Path) -> Result<(RateKey, Vec<Rate>), String> {
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if size > LARGEST {
        return Err(format!("{size} bytes are no file of rates"));
    }
    let bytes = fs::read(path).map_err(|e| format!("it cannot be read: {e}"))?;
    let stored: StoredRates = serde_json::from_slice(&bytes).map_err(|e| format!("it is damaged: {e}"))?;
    match stored.version {
        VERSION => Ok((stored.key, stored.rates)),
        other => Err(format!("it has version {other} instead of {VERSION}")),
    }
}
