//! A readable dump: one line per node, as Relay's text form would say it.

use std::fmt::Write;

use super::{Graph, TensorId};

impl Graph {
    /// One line per input, node and output.
    pub fn text(&self) -> String {
        let mut text = format!("network {}\n", self.name);
        for id in &self.inputs {
            writeln!(text, "  input {}", self.label(*id)).expect("a String takes any text");
        }
        for node in &self.nodes {
            let operands: Vec<String> = node.inputs.iter().map(|id| self.label(*id)).collect();
            writeln!(
                text,
                "  {} = {:?}({})",
                self.label(node.output),
                node.op,
                operands.join(", ")
            )
            .expect("a String takes any text");
        }
        for id in &self.outputs {
            writeln!(text, "  output {}", self.label(*id)).expect("a String takes any text");
        }
        text
    }

    fn label(&self, id: TensorId) -> String {
        let tensor = self.tensor(id);
        let sigil = if tensor.weight.is_some() { '@' } else { '%' };
        format!("{sigil}{}{:?}", tensor.name, tensor.shape)
    }
}
