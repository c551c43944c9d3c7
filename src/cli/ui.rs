//! What goes where: results to stdout, talk and errors to stderr, progress to a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::error::Failure;

/// Version of every JSON object that `--json` prints.
const VERSION: u32 = 1;

/// How to talk.
pub struct Ui {
    json: bool,
    quiet: bool,
    colour: bool,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    version: u32,
    command: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

impl Ui {
    pub fn new(json: bool, quiet: bool) -> Ui {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Ui {
            json,
            quiet,
            colour: !plain && io::stderr().is_terminal(),
        }
    }

    /// The result of `command`: as JSON, or as the text that `human` writes.
    pub fn result<T: Serialize>(
        &self,
        command: &str,
        content: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = if self.json {
            let envelope = Envelope {
                version: VERSION,
                command,
                content,
            };
            serde_json::to_string(&envelope)? + "\n"
        } else {
            human(content)
        };
        match io::stdout().lock().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Talk that is no result.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    pub fn error(&self, failure: &Failure) {
        let mut text = format!("{} {}\n", self.paint("error:", "1;31"), failure.message);
        for cause in &failure.causes {
            text += &format!("  because: {cause}\n");
        }
        if let Some(help) = &failure.help {
            text += &format!("{} {help}\n", self.paint("help:", "1;36"));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// A bar for `steps` steps; nothing unless stderr is a terminal.
    pub fn progress(&self, what: &'static str, steps: usize) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}");
        bar.set_style(
            style
                .expect("the template is constant")
                .progress_chars("=> "),
        );
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// A spinner for one long step; nothing unless stderr is a terminal.
    pub fn working(&self, what: &'static str) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    fn paint(&self, text: &str, code: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }
}
