//! The engines that a plan may use.

use std::collections::HashSet;

use crate::plan::{Device, StageKind};

/// An engine of the uncut network or of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Engine {
    pub device: Device,
    pub stage: StageKind,
    /// Rows per execution.
    pub rows: usize,
    /// Number of the cut; 0 is the longest prefix.
    pub way: u32,
    /// Tells apart engines of a kind.
    pub copy: usize,
}

/// The engines that a plan may use.
#[derive(Debug, Clone, Copy)]
pub enum Offer<'a> {
    /// Any that could be built.
    Any,
    /// Those that are there.
    Built(&'a HashSet<Engine>),
}

impl Offer<'_> {
    /// Rows per execution of the engines like `kind` that are there, ascending; `None` when any could be built.
    pub(super) fn sizes(&self, kind: Engine) -> Option<Vec<usize>> {
        let Offer::Built(built) = self else {
            return None;
        };
        let alike = |e: &&Engine| {
            Engine {
                rows: kind.rows,
                ..**e
            } == kind
        };
        let mut sizes: Vec<usize> = built.iter().filter(alike).map(|e| e.rows).collect();
        sizes.sort_unstable();
        Some(sizes)
    }
}
