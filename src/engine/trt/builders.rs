//! Builders, and what TensorRT loads with the first and unloads with the last of them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::build::TensorRt;
use super::error::TrtError;
use super::handle::Owned;
use super::library::Library;
use super::sys;

/// A builder that nobody builds with, kept while somebody builds several engines.
#[derive(Default)]
pub(super) struct Builders(Mutex<SpareBuilder>);

#[derive(Default)]
struct SpareBuilder {
    holders: usize,
    builder: Option<Owned<sys::Builder>>,
}

impl Builders {
    fn kept(&self) -> MutexGuard<'_, SpareBuilder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until it is dropped, what builders share stays loaded from the first build on.
pub struct Building(&'static Library);

impl Drop for Building {
    fn drop(&mut self) {
        let mut kept = self.0.builders.kept();
        kept.holders -= 1;
        if kept.holders == 0 {
            kept.builder = None;
        }
    }
}

impl TensorRt {
    /// Keeps what builders share: TensorRT 10.6 on x86-64 loads 4.7 GB in 3 seconds with a builder when none is there, and
    /// nothing when there is one. Nothing is loaded before the first build.
    #[must_use]
    pub fn building(&self) -> Building {
        self.0.builders.kept().holders += 1;
        Building(self.0)
    }

    pub(super) fn builder(&self) -> Result<Owned<sys::Builder>, TrtError> {
        let mut kept = self.0.builders.kept();
        if kept.holders > 0 && kept.builder.is_none() {
            kept.builder = Some(create(self.0)?);
        }
        drop(kept);
        create(self.0)
    }
}

fn create(library: &Library) -> Result<Owned<sys::Builder>, TrtError> {
    let destroy = library.table.builder_destroy;
    // SAFETY: entry and logger are those of the library that the table is for.
    let made = Owned::new(library, "createInferBuilder", destroy, |table| unsafe {
        (table.builder_create)(library.builder_entry, library.logger.as_ptr())
    });
    made.map_err(|error| explained(library, error))
}

/// A builder's resources are looked for by name alone, so a library that was named by its path finds none beside it.
fn explained(library: &Library, error: TrtError) -> TrtError {
    match (error, library.path.parent()) {
        (TrtError::Call { reason, .. }, Some(folder)) if reason.contains("Unable to load library") => {
            let folder = folder.to_path_buf();
            TrtError::Resource { folder, reason }
        }
        (error, _) => error,
    }
}
