//! Bytes that TensorRT gives, and kernel times that are kept in a file.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::build::TensorRt;
use super::construction::Construction;
use super::error::TrtError;
use super::handle::Owned;
use super::sys;

impl TensorRt {
    pub(super) fn bytes(&self, memory: &Owned<sys::Memory>) -> Vec<u8> {
        // SAFETY: TensorRT's memory is as long as it says, and lives until `memory` is dropped.
        unsafe {
            let data = (self.0.table.memory_data)(memory.as_ptr()).cast::<u8>();
            let size = (self.0.table.memory_size)(memory.as_ptr()) as usize;
            std::slice::from_raw_parts(data, size).to_vec()
        }
    }

    /// What TensorRT cannot use of the file, because another TensorRT or GPU wrote it, it refuses or ignores.
    pub(super) fn timing_cache(
        &self,
        parts: &Construction,
        path: &Path,
    ) -> Result<Owned<sys::TimingCache>, TrtError> {
        let known = fs::read(path).unwrap_or_default();
        let destroy = self.0.table.timing_cache_destroy;
        // SAFETY: the config lives, and TensorRT copies the bytes.
        Owned::new(self.0, "createTimingCache", destroy, |table| unsafe {
            (table.timing_cache_create)(parts.config.as_ptr(), known.as_ptr().cast(), known.len() as u64)
        })
    }

    pub(super) fn keep_times(&self, cache: &Owned<sys::TimingCache>, path: &Path) -> Result<(), String> {
        let destroy = self.0.table.memory_destroy;
        // SAFETY: the cache lives.
        let times = Owned::new(self.0, "ITimingCache::serialize", destroy, |table| unsafe {
            (table.timing_cache_serialize)(cache.as_ptr())
        });
        let times = self.bytes(&times.map_err(|e| e.to_string())?);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| e.to_string())?;
        file.write_all(&times).map_err(|e| e.to_string())?;
        file.persist(path).map_err(|e| e.to_string())?;
        Ok(())
    }
}
