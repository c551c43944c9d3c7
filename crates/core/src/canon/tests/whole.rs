//! Networks as a whole: ranges, names, many nodes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::{Net, canonicalise, operators};
use crate::graph::{BinaryKind, Op};

#[test]
fn tensors_of_the_network_before_are_found_in_it() {
    let mut net = Net::new();
    let x = net.x(&[1, 3, 4, 4]);
    let r = net.relu(x);
    let flat = net.op(Op::Flatten, &[r]);
    let back = net.reshape(flat, &[0, 3, 4, 4]);
    let padded = net.pad(back, [1; 4], 0.0);
    let y = net.conv(padded, 3, 1, 0);
    let before = net.finish(&[y]);
    let canonical = canonicalise(before, &HashSet::new()).unwrap();
    let graph = &canonical.graph;
    assert_eq!(operators(graph), ["relu", "conv2d"]);
    let relu = graph.nodes[0].output;
    for (tensor, now) in [
        (x, graph.inputs[0]),
        (r, relu),
        (back, relu),
        (padded, relu),
        (y, graph.outputs[0]),
    ] {
        assert_eq!(canonical.tensors[&tensor], now);
    }
}

#[test]
fn an_output_keeps_its_name() {
    let mut net = Net::new();
    let x = net.x(&[1, 3, 4, 4]);
    let r = net.relu(x);
    let y = net.reshape(r, &[0, 0, 0, 0]);
    let before = net.finish(&[y]);
    let name = before.tensor(y).name.clone();
    let graph = canonicalise(before, &HashSet::new()).unwrap().graph;
    assert_eq!(operators(&graph), ["relu"]);
    assert_eq!(graph.tensor(graph.outputs[0]).name, name);
}

#[test]
fn no_range_is_lost() {
    let mut net = Net::new();
    let x = net.x(&[1, 3, 4, 4]);
    let six = net.c(6.0);
    let scaled = net.binary(BinaryKind::Div, x, six);
    let y = net.conv(scaled, 3, 1, 1);
    let before = net.finish(&[y]);
    let cases: [(&[_], &[&str], &str); 4] = [
        (&[], &["conv2d"], "nothing is known"),
        (&[scaled], &["multiply", "conv2d"], "the scaled input's would be"),
        (&[x, scaled], &["conv2d"], "the input has its own"),
        (&[y], &["conv2d"], "the result keeps its own"),
    ];
    for (ranged, want, why) in cases {
        let ranged = ranged.iter().copied().collect();
        let graph = canonicalise(before.clone(), &ranged).unwrap().graph;
        assert_eq!(operators(&graph), want, "{why}");
    }
}

#[test]
fn a_range_of_a_padded_tensor_is_that_of_what_was_padded() {
    let mut net = Net::new();
    let x = net.x(&[1, 3, 4, 4]);
    let padded = net.pad(x, [1; 4], 0.0);
    let y = net.conv(padded, 3, 1, 0);
    let before = net.finish(&[y]);
    let canonical = canonicalise(before, &HashSet::from([padded])).unwrap();
    assert_eq!(operators(&canonical.graph), ["conv2d"]);
    assert_eq!(canonical.tensors[&padded], canonical.graph.inputs[0]);
}

/// Three thousand nodes, of which most are to vanish.
#[test]
fn large_networks_take_no_time() {
    let mut net = Net::new();
    let mut x = net.x(&[1, 8, 8, 8]);
    for _ in 0..375 {
        let (three, six) = (net.c(3.0), net.c(6.0));
        let padded = net.pad(x, [1; 4], 0.0);
        let c = net.conv(padded, 3, 1, 0);
        let same = net.reshape(c, &[0, 0, 0, 0]);
        let sum = net.binary(BinaryKind::Add, same, three);
        let clip = net.clip(sum, 0.0, 6.0);
        let product = net.binary(BinaryKind::Mul, same, clip);
        let swish = net.binary(BinaryKind::Div, product, six);
        x = net.binary(BinaryKind::Add, x, swish);
    }
    let before = net.finish(&[x]);
    assert_eq!(before.nodes.len(), 3000);
    let start = Instant::now();
    let after = canonicalise(before, &HashSet::new()).unwrap().graph;
    let took = start.elapsed();
    assert_eq!(after.nodes.len(), 375 * 6);
    assert!(
        took < Duration::from_secs(5),
        "{took:?} on a busy machine in a debug build"
    );
}
