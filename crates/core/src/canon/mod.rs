//! Canonical forms: the same function, however an exporter spells it, becomes the same network before any verdict.
//!
//! Pure, and about the neutral network alone, so that every front end can use it. A rule rewrites one form, exactly
//! (to float32 rounding); rules are tried at every node until none finds anything more.

mod across;
mod affine;
mod arithmetic;
mod around;
mod banded;
mod broadcast;
mod channels;
mod constants;
mod crop;
mod edit;
mod exponentials;
mod finish;
mod focus;
mod form;
mod hard;
mod layout;
mod lift;
mod limits;
mod links;
mod means;
mod mish;
mod noop;
mod padding;
mod places;
mod prelu;
mod preprocess;
mod reductions;
mod reshapes;
mod resizes;
mod sides;
mod sigmoid;
#[cfg(test)]
mod tests;
mod values;
mod wide;
mod windows;

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, GraphError, TensorId};
use edit::Budget;
pub use edit::Edit;
pub use form::{Form, canonicalise};

/// A rule: rewrites the form that ends in a node, and says whether it found it there.
type Rule = fn(&mut Edit, usize) -> bool;

/// Every rule, by name, in the order in which they are tried.
const RULES: &[(&str, Rule)] = &[
    ("no-op", noop::remove),
    ("constants", constants::fold),
    ("reshapes in a row", reshapes::join),
    ("slices in a row", reshapes::slices),
    ("paddings in a row", reshapes::pads),
    ("order of operands", arithmetic::order),
    ("division by a constant", arithmetic::divide),
    ("subtraction of a constant", arithmetic::subtract),
    ("negation", arithmetic::negate),
    ("whole power", arithmetic::power),
    ("limit", limits::spell),
    ("limits in a row", limits::join),
    ("shifted limit", limits::shifted),
    ("slopes on either side of zero", sides::slopes),
    ("hard swish", hard::swish),
    ("hard sigmoid", hard::sigmoid),
    ("sigmoid by exponentials", sigmoid::quotient),
    ("mish", mish::tanh_of_softplus),
    ("scales in a row", affine::join),
    ("biases in a row", affine::biases),
    ("scaled bias", affine::scaled_bias),
    ("padding before a layer", padding::absorb),
    ("padding behind a function", padding::sink),
    ("space to depth", focus::fold),
    ("layers between reshapes", lift::lift),
    ("reductions in a row", reductions::join),
    ("reduction of a line", reductions::unfold),
    ("reduction of a map", means::reduction),
    ("large windows", means::cascade),
    ("large windows of maxima", windows::cascade),
    ("channel padding", channels::pad),
    ("nearest elements", resizes::picks),
    ("a map of one element", resizes::one_element),
    ("padding of a deconvolution", crop::deconvolution),
    ("least element", across::minimum),
    ("repetition before a broadcast", broadcast::unrepeat),
    ("values per channel", broadcast::spread),
    ("slopes of a vector", prelu::unflatten),
    ("one slope", prelu::single),
    ("convolution over channels", banded::dense),
];

/// Rules that would take a part out of a form: tried once the others find nothing.
const LAST: &[(&str, Rule)] = &[
    ("scale before a layer", preprocess::fold),
    ("sum over a map", reductions::sum),
    ("mean over rows or columns", reductions::line),
    ("chain of moves", places::name),
    ("rows and columns at distances", places::strides),
    ("repeating deconvolution", places::repeats),
    ("maximum over channels", across::maximum),
    ("mean over channels", across::mean),
    ("one channel for all", across::spread),
    ("limits around zero", around::zero),
    ("exponential below zero", exponentials::elu),
    ("softplus", exponentials::softplus),
    ("padding as wide as a window", wide::convolution),
    ("padding alone", wide::alone),
];

/// More rewrites per node than any network needs: each makes the network smaller, or moves it towards its canonical form.
const MOST_REWRITES: usize = 100;

/// What the rules made of a network.
pub struct Canonical {
    pub graph: Graph,
    /// By tensor of the network before: the tensor that holds the same elements now, perhaps without padding. Tensors that
    /// are part of a layer now are absent.
    pub tensors: HashMap<TensorId, TensorId>,
    /// What is left to spend.
    budget: Budget,
}

/// Rewrites `graph` by every rule. `ranged` are the tensors whose range a quantised model gives: no rule folds them away
/// where the range would be lost.
///
/// # Errors
/// [`GraphError`] when a rule left something that is no network, which is a fault of this room.
fn rewritten(graph: Graph, ranged: &HashSet<TensorId>, budget: Budget) -> Result<Canonical, GraphError> {
    let mut left = MOST_REWRITES * (graph.nodes.len() + 1);
    let mut edit = Edit::new(graph, ranged, budget);
    // A form may reach further than a change is passed on: the last look at every node finds nothing.
    for rules in [RULES.to_vec(), [RULES, LAST].concat()] {
        while left > 0 && rewrite(&mut edit, &rules, &mut left) {}
    }
    edit.finish()
}

/// Looks at every node, and again at what changed; `left` is how many rewrites may happen. Whether any did.
fn rewrite(edit: &mut Edit, rules: &[(&str, Rule)], left: &mut usize) -> bool {
    let before = *left;
    edit.links.touch_all();
    while let Some(node) = edit.links.next().filter(|_| *left > 0) {
        if rules.iter().any(|(_, rule)| rule(edit, node)) {
            edit.settle();
            *left -= 1;
        }
    }
    *left < before
}
