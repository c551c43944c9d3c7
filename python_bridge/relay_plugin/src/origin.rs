//! The library that a network was loaded from. TVM hands over its bytes alone, but the library is mapped into this process,
//! and plans may lie beside it.

use std::fs;
use std::path::{Path, PathBuf};

use tvm_dla::artifact::{Artifact, beside};
use tvm_dla::bundle::Bundle;

/// Of the libraries in this process with plans beside them, the one that holds `bytes`, and its network with the names
/// that a tuning knows it by. A library that TVM unpacked from an archive lies elsewhere than the archive: it has none.
pub fn library_of(bytes: &[u8]) -> Option<(Bundle, PathBuf)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found = libraries(&maps).into_iter();
    found.find_map(|library| {
        let bundle = network_in(&library, bytes)?;
        Some((bundle, library))
    })
}

fn network_in(library: &Path, bytes: &[u8]) -> Option<Bundle> {
    if !beside(library).is_file() {
        return None;
    }
    let content = fs::read(library).ok()?;
    memchr::memmem::find(&content, bytes)?;
    Some(Artifact::read(library).ok()?.network().ok()?.clone())
}

/// The files that are mapped, each once.
fn libraries(maps: &str) -> Vec<PathBuf> {
    let paths = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    let mut paths: Vec<PathBuf> = paths.map(PathBuf::from).collect();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_files_are_listed_once() {
        let maps = "55d0-55d1 r--p 00000000 fe:00 12 /opt/my models/net.so\n\
                    55d1-55d2 r-xp 00001000 fe:00 12 /opt/my models/net.so\n\
                    7ffc-7ffd rw-p 00000000 00:00 0  [stack]\n\
                    7f00-7f01 rw-p 00000000 00:00 0\n";
        assert_eq!(libraries(maps), [Path::new("/opt/my models/net.so")]);
    }
}
