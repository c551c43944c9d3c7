//! Canonical forms: the same function, however an exporter spells it, becomes the same network before any verdict.
//!
//! Pure, and about the neutral network alone, so that every front end can use it. A rule rewrites one form, exactly
//! (to float32 rounding); rules are applied in turn until none finds anything more.

mod edit;
mod noop;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, GraphError, TensorId};
pub use edit::Edit;

/// A rule: rewrites what it finds, and says whether it found anything.
type Rule = fn(&mut Edit) -> bool;

/// Every rule, by name, in the order in which they are tried.
const RULES: &[(&str, Rule)] = &[("no-op", noop::remove)];

/// More rounds than any network needs: each rule makes the network smaller, or moves it towards its canonical form.
const MOST_ROUNDS: usize = 1000;

/// A network in canonical form.
pub struct Canonical {
    pub graph: Graph,
    /// By tensor of the network before: the tensor that holds the same elements now, perhaps with its axes in another
    /// order. Tensors that are part of a layer now are absent.
    pub tensors: HashMap<TensorId, TensorId>,
}

/// Rewrites `graph` by every rule. `ranged` are the tensors whose range a quantised model gives: no rule folds them away
/// where the range would be lost.
///
/// # Errors
/// [`GraphError`] when a rule left something that is no network, which is a fault of this room.
pub fn canonicalise(graph: Graph, ranged: &HashSet<TensorId>) -> Result<Canonical, GraphError> {
    let mut edit = Edit::new(graph, ranged);
    for _ in 0..MOST_ROUNDS {
        let mut changed = false;
        for (_, rule) in RULES {
            if rule(&mut edit) {
                edit.sweep();
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    edit.finish()
}
