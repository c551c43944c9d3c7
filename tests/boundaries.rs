//! The rooms keep to what no lint can tell: who may import whom, read the environment, or have a clock.

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms in the order of a model's journey; a room imports only those before it.
const ROOMS: [&str; 26] = [
    "graph", "canon", "plan", "tvm", "split", "bundle", "relay", "lower", "engine", "quantise", "accuracy",
    "artifact", "schedule", "trace", "sim", "board", "machine", "report", "fit", "tune", "planner",
    "pipeline", "session", "serve", "cli", "main.rs",
];
const CORE: &str = "crates/core/src";
const EDGES: [&str; 2] = ["cli", "main.rs"];

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            match entry.path() {
                path if path.is_dir() => walk(&path, found),
                path if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                _ => {}
            }
        }
    }
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for root in [CORE, "src"].map(|folder| house.join(folder)) {
        let mut found = Vec::new();
        walk(&root, &mut found);
        sources.extend(found.iter().map(|path| {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            (name, fs::read_to_string(path).unwrap())
        }));
    }
    sources
}

fn room(file: &str) -> &str {
    file.split('/').next().unwrap()
}

/// Code without comments and without the unit tests at a file's end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn is_test(file: &str) -> bool {
    file.ends_with("tests.rs") || file.contains("/tests/")
}

#[test]
fn rooms_import_only_what_comes_before_them() {
    let place = |room: &str| ROOMS.iter().position(|r| *r == room);
    let mut wrong = Vec::new();
    for (file, text) in sources()
        .iter()
        .filter(|(file, _)| file != "lib.rs" && !is_test(file))
    {
        let own = place(room(file)).unwrap_or_else(|| panic!("{file} is in no known room"));
        for import in code(text).split("crate::").skip(1) {
            let name: String = import
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if place(&name).is_some_and(|other| other > own) {
                wrong.push(format!("{file} imports {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_edges_read_the_environment() {
    for (file, text) in sources().iter().filter(|(file, _)| !is_test(file)) {
        let edge = EDGES.iter().any(|room| file.starts_with(room));
        assert!(edge || !code(text).contains("env::var"), "{file} reads it");
    }
}

#[test]
fn the_core_has_no_clock_and_no_thread() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join(CORE);
    let inside = |file: &str| core.join(room(file)).exists();
    for (file, text) in sources()
        .iter()
        .filter(|(file, _)| inside(file) && !is_test(file))
    {
        for mark in ["Instant", "SystemTime", "thread::", "std::fs", "std::net"] {
            assert!(!code(text).contains(mark), "{file} uses {mark}");
        }
    }
}
