//! What a plan keeps while its rows are dealt anew.

use super::offer::Engine;
use super::rates::Kind;
use crate::plan::{Cut, Mode, StageKind};

/// What a re-dealt plan keeps: where it is cut, when the suffix runs, and how many engines of a kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub cut: Cut,
    /// Number of the cut in [`Kind::way`].
    pub way: u32,
    pub mode: Mode,
    pub engines: usize,
}

impl Default for Frame {
    fn default() -> Frame {
        Frame {
            cut: Cut::Longest,
            way: 0,
            mode: Mode::Merged,
            engines: 1,
        }
    }
}

impl Frame {
    /// The last engine of its kind that a plan needs.
    pub(super) fn engine(&self, kind: Kind) -> Engine {
        let copies = match kind.stage {
            StageKind::Whole => 1,
            StageKind::Prefix | StageKind::Suffix => self.engines,
        };
        Engine {
            device: kind.device,
            stage: kind.stage,
            rows: 0,
            way: kind.way,
            copy: copies - 1,
        }
    }
}
