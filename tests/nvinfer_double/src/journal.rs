//! What happened, as one JSON object a line. Written at once, so that a process that is killed leaves its part.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::json;

fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    let open = || {
        let path = std::env::var_os("NVINFER_DOUBLE_JOURNAL")?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        Some(Mutex::new(file.expect("the journal can be written")))
    };
    FILE.get_or_init(open).as_ref()
}

/// Writes one line.
pub fn event(json: &str) {
    if let Some(file) = file() {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{json}").expect("the journal takes a line");
    }
}

/// A call that the documentation forbids: the program under test is wrong.
pub fn violation(text: &str) {
    eprintln!("nvinfer double: VIOLATION: {text}");
    event(&json!({"event": "violation", "text": text}).to_string());
}
