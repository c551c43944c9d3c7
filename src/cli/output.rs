//! Data on standard output, talk on standard error.

use std::io::{self, IsTerminal, Write};
use std::thread::{Builder, sleep};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};
use serde::Serialize;

use super::{Answer, Outcome};
pub use crate::plan::counted;

/// Version of every JSON object; it rises when a field changes its meaning or goes.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct VersionedAnswer<'a, T> {
    version: u32,
    #[serde(flatten)]
    content: &'a T,
}

/// How to talk to the user.
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub fn new(json: bool, quiet: bool) -> Output {
        Output { json, quiet }
    }

    /// Prints the answer: `content` as JSON, or the text that `human` makes.
    pub fn answer<T: Serialize>(
        &self,
        content: &T,
        human: impl FnOnce() -> String,
        answer: Answer,
    ) -> Outcome {
        let text = if self.json {
            serde_json::to_string_pretty(&VersionedAnswer {
                version: VERSION,
                content,
            })?
        } else {
            human()
        };
        match writeln!(io::stdout(), "{}", text.trim_end()) {
            // Whoever reads has read enough: `tvm-dla inspect ... | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(answer),
            written => written.map(|()| answer).map_err(Into::into),
        }
    }

    /// A remark.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            eprintln!("{text}");
        }
    }

    /// A remark at the start of what takes long: a terminal shows its progress anyway.
    pub fn begin(&self, text: &str) {
        if !io::stderr().is_terminal() {
            self.say(text);
        }
    }

    /// Whether what takes long says every [`PAUSE`] how far it is.
    pub fn by_line(&self) -> bool {
        !self.quiet && !io::stderr().is_terminal()
    }

    /// Progress over `steps` steps: a bar on a terminal, else a line now and then.
    pub fn progress(&self, steps: usize, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::new(steps as u64);
        if self.quiet || self.by_line() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if self.by_line() {
            let bar = bar.downgrade();
            // Without the thread there are no lines, and nothing else is lost.
            let _ = Builder::new().spawn(move || tell(&bar, what));
        }
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// Between two lines about the progress of something.
pub const PAUSE: Duration = Duration::from_secs(10);

/// Says how far `bar` is until it is finished or gone.
fn tell(bar: &WeakProgressBar, what: &str) {
    let mut last = Instant::now();
    loop {
        sleep(Duration::from_millis(200));
        let Some(bar) = bar.upgrade().filter(|bar| !bar.is_finished()) else {
            return;
        };
        if last.elapsed() >= PAUSE {
            let steps = bar.length().unwrap_or_default();
            eprintln!("{what}: {} of {steps}", bar.position());
            last = Instant::now();
        }
    }
}

/// Columns padded to their widest cell.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `12.3 ms`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.1} us", s * 1e6),
    }
}

/// `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB"] {
        if value < 1024.0 {
            let digits = usize::from(unit != "B");
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} GiB")
}

/// Names that a line has room for, and how many more there are.
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `301.2 M`.
pub fn count(number: u64) -> String {
    match number {
        0..=9_999 => number.to_string(),
        10_000..=9_999_999 => format!("{:.1} k", number as f64 / 1e3),
        _ => format!("{:.1} M", number as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_room_for_five_names() {
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert_eq!(listed(&["a"; 7]), "a, a, a, a, a and 2 more");
    }
}
