use std::collections::HashSet;

use super::canonicalise;
use crate::graph::{Activation, GraphBuilder, Op};

#[test]
fn a_reshape_to_the_same_shape_is_nothing() {
    let mut builder = GraphBuilder::new("g");
    let x = builder.input("x", &[1, 3, 4, 4]);
    let same = Op::Reshape {
        dims: vec![0, 0, 0, 0],
    };
    let same = builder.node("same", same, &[x]).unwrap();
    let relu = Op::Activation(Activation::Relu);
    let relu = builder.node("relu", relu, &[same]).unwrap();
    builder.output(relu);
    let canonical = canonicalise(builder.finish().unwrap(), &HashSet::new()).unwrap();
    assert_eq!(canonical.graph.nodes.len(), 1);
    assert_eq!(canonical.tensors[&same], canonical.graph.inputs[0]);
    assert_eq!(canonical.tensors[&relu], canonical.graph.outputs[0]);
}
