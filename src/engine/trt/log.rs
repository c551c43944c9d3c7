//! TensorRT's own log: handed on to whoever listens, and its last errors kept for our messages.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// How grave a line of TensorRT's log is, gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    InternalError,
    Error,
    Warning,
    Info,
    Verbose,
}

impl Severity {
    fn from_code(code: i32) -> Severity {
        match code {
            0 => Severity::InternalError,
            1 => Severity::Error,
            2 => Severity::Warning,
            3 => Severity::Info,
            _ => Severity::Verbose,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::InternalError => "internal error",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
            Severity::Verbose => "verbose",
        })
    }
}

/// Takes every line of the log. It is called from TensorRT's threads.
pub type Listener = Arc<dyn Fn(Severity, &str) + Send + Sync>;

/// Errors and warnings are few; what is older says nothing about the call that failed last.
const KEPT: usize = 256;

struct Log {
    listener: Option<Listener>,
    recent: VecDeque<Line>,
    count: u64,
}

/// An error or a warning.
struct Line {
    number: u64,
    thread: ThreadId,
    severity: Severity,
    text: String,
}

/// TensorRT takes one logger per process, whatever is built or run.
static LOG: Mutex<Log> = Mutex::new(Log {
    listener: None,
    recent: VecDeque::new(),
    count: 0,
});

fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From here on every line goes to `listener`.
pub fn listen(listener: Listener) {
    log().listener = Some(listener);
}

/// A moment; what was logged after it is asked for.
pub(super) struct Mark(u64);

pub(super) fn mark() -> Mark {
    Mark(log().count)
}

impl Mark {
    /// This thread's errors; else, since TensorRT has threads of its own, everyone's. Empty when there are none.
    pub fn errors(&self) -> String {
        self.lines(Severity::Error)
    }

    /// The same with warnings.
    pub fn warnings(&self) -> String {
        self.lines(Severity::Warning)
    }

    fn lines(&self, least: Severity) -> String {
        let log = log();
        let grave = |line: &&Line| line.number >= self.0 && line.severity <= least;
        let me = thread::current().id();
        let (own, others): (Vec<&Line>, Vec<&Line>) = log
            .recent
            .iter()
            .filter(grave)
            .partition(|line| line.thread == me);
        let lines = if own.is_empty() { others } else { own };
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        texts.join("; ")
    }
}

/// What the shim's logger calls. A panic must not reach C++, so a listener's is dropped.
pub(super) extern "C" fn receive(_user: *mut c_void, severity: i32, text: *const c_char) {
    if text.is_null() {
        return;
    }
    // SAFETY: TensorRT passes a string that lives until this returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    take(Severity::from_code(severity), text.trim_end());
}

/// A line of the log: TensorRT's, or one that this program adds.
pub(super) fn take(severity: Severity, text: &str) {
    let listener = {
        let mut log = log();
        if severity <= Severity::Warning {
            let line = Line {
                number: log.count,
                thread: thread::current().id(),
                severity,
                text: text.to_string(),
            };
            log.count += 1;
            log.recent.push_back(line);
            if log.recent.len() > KEPT {
                log.recent.pop_front();
            }
        }
        log.listener.clone()
    };
    if let Some(listener) = listener {
        let call = std::panic::AssertUnwindSafe(|| listener(severity, text));
        let _ = std::panic::catch_unwind(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_belong_to_the_call_and_the_thread_they_came_from() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mine = heard.clone();
        listen(Arc::new(move |severity, text: &str| {
            mine.lock().unwrap().push(format!("{severity}: {text}"));
        }));
        take(Severity::Error, "before");
        let since = mark();
        assert_eq!(since.errors(), "");
        thread::spawn(|| take(Severity::Error, "elsewhere"))
            .join()
            .unwrap();
        assert_eq!(since.errors(), "elsewhere", "there is no other explanation");
        take(Severity::Warning, "only a warning");
        receive(std::ptr::null_mut(), 1, c"first\n".as_ptr());
        take(Severity::InternalError, "second");
        assert_eq!(since.errors(), "first; second");
        assert_eq!(since.warnings(), "only a warning; first; second");
        let heard = heard.lock().unwrap();
        assert!(heard.contains(&"warning: only a warning".to_string()));
        assert!(heard.contains(&"internal error: second".to_string()));
    }
}
