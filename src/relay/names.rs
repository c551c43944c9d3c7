//! Names for nodes and constants: Relay calls have none.

use std::collections::BTreeMap;

use crate::graph::{Graph, Node, Op};

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

/// Names a rewritten network as one that was written so: each node after its operator, constants in order of use.
pub fn rename(graph: &mut Graph) {
    let mut names = Names::default();
    let mut named = vec![false; graph.tensors.len()];
    for node in &mut graph.nodes {
        for id in &node.inputs {
            let tensor = &mut graph.tensors[id.0 as usize];
            let first = !std::mem::replace(&mut named[id.0 as usize], true);
            if first && tensor.weight.is_some() {
                tensor.name = names.fresh(CONSTANT);
            }
        }
        node.name = names.fresh(stem(node));
        graph.tensors[node.output.0 as usize].name.clone_from(&node.name);
    }
}

/// What constants are called.
pub const CONSTANT: &str = "constant";

fn stem(node: &Node) -> &'static str {
    let called = |stem: &str| {
        node.name
            .strip_prefix(stem)
            .is_some_and(|rest| rest.starts_with('_'))
    };
    match node.op {
        Op::Slice { .. } if called("split") => "split",
        Op::Reshape { .. } if called("identity") => "identity",
        _ => node.op.name(),
    }
}
