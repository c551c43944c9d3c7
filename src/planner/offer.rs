//! The engines that a plan may use.

use std::collections::HashSet;

use super::sizes;
use crate::engine::StageKind;
use crate::plan::Device;

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
    pub fn has(&self, engine: Engine) -> bool {
        match self {
            Offer::Any => true,
            Offer::Built(built) => built.contains(&engine),
        }
    }

    /// Rows per execution to try for up to `kind.rows` rows, of at most `most`, ascending.
    pub(super) fn sizes(&self, kind: Engine, most: usize) -> Vec<usize> {
        let rows = kind.rows;
        match self {
            Offer::Any => sizes::tried(rows, most),
            Offer::Built(built) => {
                let alike = |e: &&Engine| Engine { rows, ..**e } == kind;
                let mut sizes: Vec<usize> = built.iter().filter(alike).map(|e| e.rows).collect();
                sizes.retain(|n| *n <= most.min(rows));
                sizes.sort_unstable();
                sizes
            }
        }
    }
}
