//! Scores, noise and suggestions over numbers worked out by hand.

use std::collections::BTreeSet;

use super::*;
use crate::graph::{Activation, BinaryKind, Conv2d, Graph, GraphBuilder, Op, Padding2d, TensorId};

fn noise(signal: &[f32], got: &[f32]) -> Noise {
    let mut noise = Noise::default();
    noise.add(signal, got);
    noise
}

#[test]
fn signal_to_noise_is_in_decibels_of_energy() {
    use Fidelity::{Decibels, Exact, NoSignal, NotFinite};
    let nan = f32::NAN;
    let broken = |values| NotFinite { values, of: 2 };
    type Case<'a> = (&'a [f32], &'a [f32], Fidelity, Option<f64>, &'static str);
    let cases: [Case<'_>; 7] = [
        (
            &[3.0, 4.0],
            &[3.0, 4.5],
            Decibels(20.0),
            Some(0.5),
            "25 over 0.25",
        ),
        (
            &[1.0],
            &[2.0],
            Decibels(0.0),
            Some(1.0),
            "as much noise as signal",
        ),
        (&[1.0, -1.0], &[1.0, -1.0], Exact, Some(0.0), "the same"),
        (&[0.0], &[0.0], Exact, Some(0.0), "nothing at all"),
        (&[0.0], &[0.5], NoSignal, Some(0.5), "nothing but noise"),
        (&[3.0, 4.0], &[3.0, nan], broken(1), None, "NaN is no exactness"),
        (&[3.0, 4.0], &[f32::INFINITY; 2], broken(2), None, "an overflow"),
    ];
    for (signal, got, want, largest, why) in cases {
        let noise = noise(signal, got);
        assert_eq!((noise.fidelity(), noise.largest()), (want, largest), "{why}");
        let finite = matches!(want, Exact | Decibels(_));
        assert_eq!(
            noise.ratio().is_finite(),
            finite,
            "{why}: the worst ratio there is"
        );
    }
    assert_eq!(noise(&[0.0], &[1.0]).ratio(), f64::INFINITY);
    let mut both = noise(&[3.0], &[3.0]);
    both.add(&[4.0], &[4.5]);
    assert_eq!(both, noise(&[3.0, 4.0], &[3.0, 4.5]), "batch by batch");
}

#[test]
fn scores_count_labels_and_agreement() {
    let mut score = Score::default();
    let reference = [0.1, 0.9, 0.0, 0.0, 0.0, 0.0, 0.2];
    score.add(&[0.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0], &reference, Some(1));
    score.add(&[0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0], &reference, Some(4));
    score.add(&[0.9, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0], &reference, Some(5));
    score.add(&[0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0], &reference, None);
    score.add(&[0.0, f32::NAN, 0.0, 0.0, 0.0, 0.0, 0.0], &reference, Some(1));
    let want = Score {
        images: 5,
        top1: 1,
        top5: 2,
        agreeing: 2,
    };
    assert_eq!(score, want);
    assert_eq!(score.percent(score.top5), 40.0);
    assert_eq!(best(&[1.0, 2.0, 2.0], 2), [1, 2], "the lower of equals first");
}

/// x -> conv1 -> relu -> conv2, and conv1's layer ends in relu.
fn probe() -> Graph {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 1, 1, 1]);
    let w = b.weight("w", &[1, 1, 1, 1], vec![1.0]);
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    let y = b.node("conv1", conv.clone(), &[x, w]).unwrap();
    let y = b.node("relu", Op::Activation(Activation::Relu), &[y]).unwrap();
    let z = b.node("conv2", conv, &[y, w]).unwrap();
    let s = b.node("tanh", Op::Activation(Activation::Tanh), &[z]).unwrap();
    for id in [y, z, s] {
        b.output(id);
    }
    b.finish().unwrap()
}

#[test]
fn a_layer_is_guilty_of_what_its_operands_do_not_have() {
    let noises = [
        noise(&[10.0], &[9.0]),
        noise(&[10.0], &[7.0]),
        noise(&[10.0], &[8.0]),
    ];
    let found = layers(&probe(), &noises);
    let got: Vec<(&str, &str, f64)> = found
        .iter()
        .map(|l| (l.node.as_str(), l.op, (l.added * 1000.0).round() / 1000.0))
        .collect();
    let want = [
        ("relu", "conv2d", 0.01),
        ("conv2", "conv2d", 0.08),
        ("tanh", "tanh", 0.0),
    ];
    assert_eq!(got, want, "a layer that takes noise away adds none");
    assert_eq!(overflow(&found), None);
}

#[test]
fn the_first_layer_that_overflows_is_named_whatever_comes_behind_it() {
    let noises = [
        noise(&[10.0], &[9.0]),
        noise(&[10.0, 1.0], &[f32::INFINITY, 1.0]),
        noise(&[10.0], &[f32::NAN]),
    ];
    let found = layers(&probe(), &noises);
    assert_eq!(overflow(&found).map(|l| l.node.as_str()), Some("conv2"));
    assert!(found[1].added.is_infinite() && found[2].added == 0.0);
}

fn compared(output: f64, layers: Vec<LayerNoise>) -> PrecisionComparison {
    PrecisionComparison {
        score: None,
        outputs: vec![Noise::default(), noise(&[1.0], &[1.0 + output.sqrt() as f32])],
        layers,
        clamped: Vec::new(),
    }
}

/// Layers that add `a` 0.1, `b` 0.3 and `c` nothing; the output has their sum, and 0.01 whatever is done.
#[test]
fn suggestions_add_the_layer_that_gains_most_until_none_is_worth_it() {
    let own = |node: &str| match node {
        "a" => 0.1,
        "b" => 0.3,
        _ => 0.0,
    };
    let names = ["a", "b", "c"];
    let found = names.map(|node| LayerNoise {
        node: node.to_string(),
        op: "conv2d",
        noise: Noise::default(),
        added: own(node),
    });
    let mut tried = Vec::new();
    let mut measure = |half: &BTreeSet<String>| {
        tried.push(half.iter().cloned().collect::<Vec<_>>().join("+"));
        let left = names.iter().filter(|node| !half.contains(**node));
        let sum: f64 = left.map(|node| own(node)).sum();
        Ok(compared(sum + 0.01, Vec::new()))
    };
    let int8 = compared(0.41, found.to_vec());
    let steps = suggest(&int8, &int8.layers, 5, &mut measure).unwrap();
    let nodes: Vec<&str> = steps.iter().map(|step| step.node.as_str()).collect();
    assert_eq!(nodes, ["b", "a"], "the worst first");
    assert!((steps[1].compared.worst().ratio() - 0.01).abs() < 1e-6);
    assert_eq!(tried, ["b", "a", "a+b"], "what adds no noise is not tried");
    let one = suggest(&int8, &int8.layers, 1, |half| {
        let kept = if half.contains("b") { 0.11 } else { 0.4 };
        Ok(compared(kept, Vec::new()))
    });
    assert_eq!(one.unwrap().len(), 1, "no more than asked for");
    let none = suggest(&int8, &int8.layers, 3, |_| Ok(compared(0.4, Vec::new())));
    assert!(
        none.unwrap().is_empty(),
        "a tenth of a decibel is not worth a layer"
    );
}

#[test]
fn labels_without_classes_are_refused() {
    let graph = Graph {
        outputs: vec![TensorId(0)],
        ..probe()
    };
    let error = AccuracyError::Classes(vec![1, 2, 3]).to_string();
    assert!(error.contains("[1, 2, 3]"), "{error}");
    assert!(
        layers(&graph, &[Noise::default()]).is_empty(),
        "an input is no layer"
    );
}

/// Every addition doubles the ways from the output to the input.
#[test]
fn a_tensor_is_looked_at_once_however_many_ways_lead_to_it() {
    let mut b = GraphBuilder::new("ways");
    let mut x = b.input("x", &[1, 2, 2, 2]);
    for at in 0..200 {
        let relu = Op::Activation(Activation::Relu);
        let y = b.node(&format!("relu{at}"), relu, &[x]).unwrap();
        let add = Op::Binary(BinaryKind::Add);
        x = b.node(&format!("add{at}"), add, &[x, y]).unwrap();
    }
    b.output(x);
    let found = layers(&b.finish().unwrap(), &[noise(&[2.0], &[1.0])]);
    assert_eq!((found.len(), found[0].added), (1, 0.25));
}
