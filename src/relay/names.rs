//! Names for nodes: Relay calls have none.

use std::collections::BTreeMap;

/// Numbers the nodes of each operator: `conv2d_0`, `conv2d_1`, ...
#[derive(Default)]
pub struct Names {
    next: BTreeMap<&'static str, usize>,
}

impl Names {
    pub fn fresh(&mut self, op: &'static str) -> String {
        let next = self.next.entry(op).or_default();
        let name = format!("{op}_{next}");
        *next += 1;
        name
    }
}
