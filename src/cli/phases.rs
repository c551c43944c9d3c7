//! Where TensorRT's builder has got to, beside a progress bar.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

use crate::engine::trt::{PhaseEvent, Step};

/// Phases nest; the innermost one that is open is shown.
#[derive(Default)]
pub struct Phases(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    /// None before the first plan is built.
    bar: Option<ProgressBar>,
    open: Vec<Phase>,
}

struct Phase {
    name: String,
    done: u32,
    steps: u32,
}

impl Phases {
    /// From here on they are this bar's message.
    pub fn beside(&self, bar: &ProgressBar) {
        let bar = Some(bar.clone());
        *self.shown() = Shown {
            bar,
            ..Shown::default()
        };
    }

    pub fn hear(&self, step: Step<'_>) {
        let Shown { bar, open } = &mut *self.shown();
        follow(open, step.phase, step.event);
        let spec = step.spec;
        let engine = format!("{} x{} on {}", spec.stage, spec.batch, spec.device);
        let text = match innermost(open) {
            Some(phase) => format!("{engine}: {phase}"),
            None => engine,
        };
        bar.iter().for_each(|bar| bar.set_message(text.clone()));
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn follow(open: &mut Vec<Phase>, name: &str, event: PhaseEvent) {
    match event {
        PhaseEvent::Begins(steps) => open.push(Phase {
            name: name.to_string(),
            done: 0,
            steps,
        }),
        PhaseEvent::Done(step) => {
            if let Some(phase) = open.iter_mut().rfind(|phase| phase.name == name) {
                phase.done = step + 1;
            }
        }
        PhaseEvent::Ends => {
            if let Some(at) = open.iter().rposition(|phase| phase.name == name) {
                // What began within it and never ended is over too.
                open.truncate(at);
            }
        }
    }
}

fn innermost(open: &[Phase]) -> Option<String> {
    let Phase { name, done, steps } = open.last()?;
    Some(format!("{name} {done}/{steps}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_open_phase_is_shown() {
        let events = [
            ("Build", PhaseEvent::Begins(3), Some("Build 0/3")),
            ("Build", PhaseEvent::Done(0), Some("Build 1/3")),
            ("Tactics", PhaseEvent::Begins(40), Some("Tactics 0/40")),
            ("Tactics", PhaseEvent::Done(7), Some("Tactics 8/40")),
            // The outer one goes on unseen.
            ("Build", PhaseEvent::Done(1), Some("Tactics 8/40")),
            ("Tactics", PhaseEvent::Ends, Some("Build 2/3")),
            ("Never begun", PhaseEvent::Done(1), Some("Build 2/3")),
            ("Never begun", PhaseEvent::Ends, Some("Build 2/3")),
            ("Lost", PhaseEvent::Begins(1), Some("Lost 0/1")),
            ("Build", PhaseEvent::Ends, None),
        ];
        let mut open = Vec::new();
        for (name, event, want) in events {
            follow(&mut open, name, event);
            assert_eq!(innermost(&open).as_deref(), want, "{name} {event:?}");
        }
    }
}
