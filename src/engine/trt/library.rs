//! Loading TensorRT: the library, the table that fits it, and the process's one logger.

use std::collections::HashMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::os::unix::{self, RTLD_LOCAL, RTLD_NOW};

use super::builders::Builders;
use super::error::TrtError;
use super::find::{Candidate, LibraryPaths};
use super::log;
use super::sys::{DONE, Entry, Logger, Table, tables};
use super::version::{Product, TrtVersion};

/// A loaded TensorRT. It stays loaded: engines of hung devices may still be running in it.
pub(super) struct Library {
    pub path: PathBuf,
    pub version: TrtVersion,
    pub table: &'static Table,
    pub logger: NonNull<Logger>,
    pub builder_entry: Entry,
    pub runtime_entry: Entry,
    /// What keeps builders quick.
    pub builders: Builders,
    _library: unix::Library,
}

// SAFETY: the logger is only handed to TensorRT, which requires and keeps it to be callable from any thread.
unsafe impl Send for Library {}
// SAFETY: as above; everything else is constant.
unsafe impl Sync for Library {}

/// The versions of the headers that this build was compiled against, best for a board first.
pub fn built_for() -> Vec<TrtVersion> {
    let mut versions: Vec<TrtVersion> = tables().map(version_of).collect();
    versions.sort_by_key(|v| (v.product, std::cmp::Reverse(v.major)));
    versions
}

fn version_of(table: &Table) -> TrtVersion {
    TrtVersion {
        product: match table.rtx {
            0 => Product::TensorRt,
            _ => Product::TensorRtRtx,
        },
        major: table.major as u32,
        minor: table.minor as u32,
        patch: table.patch as u32,
    }
}

/// The library file's name: what the package installs, and what programs link to.
fn file_name(version: &TrtVersion) -> String {
    match version.product {
        Product::TensorRt => format!("libnvinfer.so.{}", version.major),
        Product::TensorRtRtx => format!("libtensorrt_rtx.so.{}", version.major),
    }
}

/// The first TensorRT that `paths` lead to and that this build was compiled for.
///
/// # Errors
/// [`TrtError`]: this build has no headers, nothing was found, or what was named is another version or no TensorRT.
pub(super) fn load(paths: &LibraryPaths) -> Result<&'static Library, TrtError> {
    let built = built_for();
    if built.is_empty() {
        return Err(TrtError::NotBuilt);
    }
    let names: Vec<String> = built.iter().map(file_name).collect();
    let candidates = paths.candidates(&names).map_err(TrtError::Missing)?;
    let mut refusal = None;
    for candidate in &candidates {
        match open(candidate) {
            Ok(library) => return Ok(library),
            Err(TrtError::Unusable { .. }) if !candidate.is_file() => {}
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| TrtError::NotFound {
        built,
        names,
        searched: paths.places(),
    }))
}

fn open(candidate: &Candidate) -> Result<&'static Library, TrtError> {
    static LOADED: OnceLock<Mutex<HashMap<PathBuf, &'static Library>>> = OnceLock::new();
    let path = candidate.path();
    let path = path.canonicalize().unwrap_or(path);
    let loaded = LOADED.get_or_init(Mutex::default);
    let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = loaded.get(&path) {
        return Ok(library);
    }
    let library: &'static Library = Box::leak(Box::new(read(&path)?));
    loaded.insert(path, library);
    Ok(library)
}

fn read(path: &Path) -> Result<Library, TrtError> {
    let unusable = |reason: String| TrtError::Unusable {
        path: path.to_path_buf(),
        reason,
    };
    // SAFETY: TensorRT's initialisers only set up the library itself.
    let library = unsafe { unix::Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|e| unusable(e.to_string()))?;
    // SAFETY: the function has had this type since TensorRT 5.
    let number = unsafe { library.get::<extern "C" fn() -> i32>(b"getInferLibVersion") }
        .map(|function| function())
        .map_err(|e| unusable(e.to_string()))?;
    let version = TrtVersion::from_library(number.unsigned_abs());
    let table = tables()
        .find(|table| version_of(table).runs_with(&version))
        .ok_or_else(|| TrtError::OtherVersion {
            path: path.to_path_buf(),
            library: version,
            built: built_for(),
        })?;
    let entry = |name: &[u8]| {
        // SAFETY: both entry points have this type in every version that `runs_with` accepts.
        unsafe { library.get::<Entry>(name) }
            .map(|function| *function)
            .map_err(|e| unusable(e.to_string()))
    };
    let (builder_entry, runtime_entry) = (
        entry(b"createInferBuilder_INTERNAL")?,
        entry(b"createInferRuntime_INTERNAL")?,
    );
    // SAFETY: the callback is a function of this type and needs no user data.
    let logger = unsafe { (table.logger_create)(log::receive, null_mut()) };
    Ok(Library {
        path: path.to_path_buf(),
        version,
        table,
        logger: NonNull::new(logger).ok_or_else(|| unusable("no logger could be made".into()))?,
        builder_entry,
        runtime_entry,
        builders: Builders::default(),
        _library: library,
    })
}

impl Library {
    /// Makes a call that gives an object, and says why there is none.
    pub fn object<T>(
        &self,
        call: &'static str,
        make: impl FnOnce(&Table) -> *mut T,
    ) -> Result<NonNull<T>, TrtError> {
        let mark = log::mark();
        NonNull::new(make(self.table)).ok_or_else(|| self.failure(call, &mark))
    }

    /// Makes a call that gives a status, and says why it failed.
    pub fn status(&self, call: &'static str, make: impl FnOnce(&Table) -> i32) -> Result<(), TrtError> {
        let mark = log::mark();
        match make(self.table) {
            DONE => Ok(()),
            super::sys::ABSENT => Err(TrtError::Call {
                call,
                reason: format!("{} has no such thing", self.version),
            }),
            _ => Err(self.failure(call, &mark)),
        }
    }

    fn failure(&self, call: &'static str, since: &log::Mark) -> TrtError {
        // SAFETY: the shim returns this thread's buffer, which ends in a zero and outlives this read.
        let thrown = unsafe { CStr::from_ptr((self.table.last_exception)()) };
        let reasons = [thrown.to_string_lossy().into_owned(), since.errors()];
        let reasons: Vec<String> = reasons.into_iter().filter(|r| !r.is_empty()).collect();
        TrtError::Call {
            call,
            reason: if reasons.is_empty() {
                "TensorRT gives no reason".into()
            } else {
                reasons.join("; ")
            },
        }
    }
}
