//! Finds our networks in a shared library without loading it.
//!
//! TVM serialises the modules a library imports one after the other: a type key and then the module's bytes, each text
//! with a 64-bit length before it. Modules of other kinds do not say how long they are, so the blob cannot be walked;
//! our record is found by its key and the bundle's magic instead, and the bundle's digest says whether it is whole.

use std::ops::Range;
use std::path::Path;

use super::error::ArtifactError;
use crate::bundle::Bundle;

const FACTORY: &[u8] = b"GraphExecutorFactory";

/// Every bundle in the file, in order.
pub fn bundles(path: &Path, bytes: &[u8]) -> Result<Vec<Bundle>, ArtifactError> {
    let mut found = Vec::new();
    for place in places(bytes) {
        let bundle = Bundle::from_bytes(&bytes[place]);
        found.push(bundle.map_err(|e| ArtifactError::bundle(path, e))?);
    }
    if found.is_empty() {
        Err(ArtifactError::NoDla {
            path: path.to_path_buf(),
        })
    } else {
        Ok(found)
    }
}

/// Where bundles lie in a file.
pub fn places(bytes: &[u8]) -> Vec<Range<usize>> {
    let key = text_record(b"dla");
    let records = memchr::memmem::find_iter(bytes, &key).map(|at| at + key.len());
    let places = records.filter_map(|at| {
        let content = sized(bytes, at)?;
        let start = at + 8;
        content
            .starts_with(b"tvm-dla\0")
            .then(|| start..start + content.len())
    });
    places.collect()
}

/// The execution graph inside a library that TVM's `export_library` wrote for a graph executor, and what lies behind it:
/// the parameters.
pub fn graph(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let key = text_record(FACTORY);
    memchr::memmem::find_iter(bytes, &key)
        .map(|at| at + key.len())
        .filter_map(|at| sized(bytes, at).map(|content| (at, content)))
        .find(|(_, content)| content.starts_with(b"{"))
        .map(|(at, content)| (content, &bytes[at + 8 + content.len()..]))
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let end = at.checked_add(8)?;
    Some(u64::from_le_bytes(bytes.get(at..end)?.try_into().ok()?))
}

/// A text as TVM's streams write it.
fn text_record(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// The bytes behind the 64-bit length at `at`; a length beyond the file gives what there is, which the reader of the
/// content then finds to be truncated.
fn sized(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let start = at.checked_add(8)?;
    let length = number(bytes, at)?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| start.checked_add(length))
        .map_or(bytes.len(), |end| end.min(bytes.len()));
    bytes.get(start..end)
}
