//! ONNX Runtime's `PRelu` adds a product with zero to what is infinite, which gives no number: it is spelled out as
//! `relu(x) - slope * relu(-x)`, of which one part is zero.

use super::proto::{Graph, Node};

/// Spells out every `PRelu` of a finished model.
pub(super) fn spelled(graph: &mut Graph) {
    let nodes = std::mem::take(&mut graph.node);
    for node in nodes {
        match node.op_type.as_str() {
            "PRelu" => graph.node.extend(parts(&node)),
            _ => graph.node.push(node),
        }
    }
}

fn parts(prelu: &Node) -> Vec<Node> {
    let (x, slope, y) = (&prelu.input[0], &prelu.input[1], &prelu.output[0]);
    let part = |op: &str, inputs: &[&str], output: &str| Node {
        input: inputs.iter().map(|name| name.to_string()).collect(),
        output: vec![output.to_string()],
        name: output.to_string(),
        op_type: op.to_string(),
        ..Node::default()
    };
    let [above, negative, below, steep] =
        ["above", "negative", "below", "steep"].map(|name| format!("{y}.{name}"));
    vec![
        part("Relu", &[x], &above),
        part("Neg", &[x], &negative),
        part("Relu", &[&negative], &below),
        part("Mul", &[&below, slope], &steep),
        part("Sub", &[&above, &steep], y),
    ]
}
