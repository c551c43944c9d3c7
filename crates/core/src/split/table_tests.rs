//! The whole rule table, for both chips, both precisions and around every version that occurs in it: each rule decides
//! something, none says the opposite of another, and a layer that a DLA has does not get lost between two rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use super::expr::{Facts, Value};
use super::facts::{layers, map_facts};
use super::rules::{Rule, first_broken, knows, rules};
use super::target::{Chip, DlaTarget, Precision, Version};
use super::verdict::platform_limit;
use crate::graph::*;

const TABLE: &str = include_str!("../../../../data/dla_rules.json");

/// Rules with a condition that no single layer is judged by, and why they are there.
const INFORMATIVE: [(&str, &str); 20] = [
    ("gen.platform.thor", "a chip without a DLA cannot be named"),
    ("gen.114win", "a chip that cannot be named"),
    ("gen.precision", "a target is in FP16 or INT8"),
    ("gen.static", "an engine has static shapes by construction"),
    ("gen.samebatch", "an engine has one batch by construction"),
    ("gen.loadables.4", "engines per core: the plan"),
    ("gen.loadables.8", "engines per core: the plan"),
    ("gen.loadables.16", "engines per core: the plan"),
    ("gen.pool.sram", "an option of the builder"),
    ("gen.cudagraph", "an option of the runtime"),
    ("gen.calib", "how ranges are found"),
    ("gen.qdq", "ranges are given as scales, never as layers"),
    ("io.in", "formats at the boundary of an engine"),
    ("io.out", "formats at the boundary of an engine"),
    ("io.stride", "formats at the boundary of an engine"),
    ("pool.int8", "scales, which are made equal"),
    ("ew.int8", "scales, which are made equal"),
    (
        "act.unsup",
        "the kinds that act.kinds.71 and act.kinds.84 leave out",
    ),
    ("cmp", "no operator becomes a comparison"),
    ("groupnorm", "no operator becomes a group norm"),
];

/// A variable of the target and not of a layer.
fn of_target(name: &str) -> bool {
    ["chip", "precision", "trt", "e"].contains(&name)
}

fn sample(op: Op, weight: &[usize]) -> Vec<(&'static str, Facts)> {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4, 8, 8]);
    let count = weight.iter().product();
    let operands = match (&op, weight) {
        (Op::Concat { .. } | Op::Binary(_), []) => vec![x, b.input("y", &[1, 4, 8, 8])],
        (_, []) => vec![x],
        (_, weight) => vec![x, b.weight("w", weight, vec![0.1; count])],
    };
    let y = b.node("layer", op, &operands).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    let found = layers(&graph, &graph.nodes[0]).into_iter().map(|layer| {
        let mut facts = map_facts(graph.tensor(x));
        facts.extend(layer.facts);
        (layer.name, facts)
    });
    found.collect()
}

/// What a DLA's layers are judged by, one ordinary layer of every name, and what holds for every layer and engine.
fn samples() -> Vec<(&'static str, Facts)> {
    let conv = Op::Conv2d(Conv2d {
        stride: [1; 2],
        padding: Padding2d::uniform(1),
        dilation: [1; 2],
        groups: 1,
    });
    let deconv = Op::Deconv2d(DeconvNd {
        stride: [2; 2],
        padding: PaddingNd::uniform(0),
        output_padding: [0; 2],
        groups: 1,
    });
    let resize = Op::Resize2d(Resize2d {
        output: [16; 2],
        mode: ResizeMode::Nearest(Rounding::Floor),
        coordinates: Coordinates::Asymmetric,
    });
    let lrn = Op::Lrn(Lrn {
        size: 5,
        alpha: 1e-4,
        beta: 0.75,
        bias: 1.0,
    });
    let slice = Op::Slice {
        ranges: vec![Range {
            axis: 1,
            start: 0,
            len: 2,
            step: 1,
        }],
    };
    let clip = Op::Activation(Activation::Clip { min: 0.0, max: 6.0 });
    let maximum = Op::Reduce {
        kind: ReduceKind::Max,
        axes: vec![2, 3],
        keepdims: true,
    };
    let ops: [(Op, &[usize]); 15] = [
        (conv, &[4, 4, 3, 3]),
        (deconv, &[4, 4, 2, 2]),
        (Op::BiasAdd { axis: 1 }, &[4]),
        (Op::Unary(UnaryKind::Abs), &[]),
        (clip, &[]),
        (Op::PRelu, &[4]),
        (Op::Binary(BinaryKind::Add), &[]),
        (Op::Binary(BinaryKind::Max), &[4, 8, 8]),
        (Op::GlobalPool(PoolKind::Average), &[]),
        (resize, &[]),
        (Op::Concat { axis: 1 }, &[]),
        (lrn, &[]),
        (maximum, &[]),
        (slice, &[]),
        (Op::Softmax { axis: 1 }, &[]),
    ];
    let mut all: Vec<(&'static str, Facts)> = ops
        .into_iter()
        .flat_map(|(op, weight)| sample(op, weight))
        .collect();
    all.extend([
        ("fc", dense()),
        ("shuffle", Facts::from([("rank", 4.into())])),
        ("matmul", Facts::from([("b_is_constant", true.into())])),
    ]);
    let map = ["rank", "C", "H", "W"].map(|name| (name, Value::from(4)));
    let rows = ["batch", "internal_tensor_bytes"].map(|name| (name, Value::from(1)));
    let weights = [("weight_bytes", Value::from(1))];
    let engine = [Facts::new(), map.into(), rows.into(), weights.into()];
    all.extend(engine.map(|facts| ("*", facts)));
    all
}

/// The input of a dense layer has no sides.
fn dense() -> Facts {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4]);
    let w = b.weight("w", &[3, 4], vec![0.1; 12]);
    let y = b.node("fc", Op::Dense, &[x, w]).unwrap();
    b.output(y);
    let graph = b.finish().unwrap();
    layers(&graph, &graph.nodes[0]).remove(0).facts
}

/// Numbers and words in the conditions of `layer`, the numbers with their neighbours.
fn literals(layer: &str) -> (BTreeSet<u64>, BTreeSet<String>) {
    let (mut numbers, mut words) = (BTreeSet::from([0, 1, 2]), BTreeSet::from(["OTHER".into()]));
    let checks = rules().iter().filter(|rule| rule.is_about(layer));
    for (number, word) in checks.filter_map(Rule::check).flat_map(|check| check.literals()) {
        numbers.extend(
            number
                .map(|n| [n.saturating_sub(1), n, n + 1])
                .into_iter()
                .flatten(),
        );
        words.extend(word);
    }
    (numbers, words)
}

/// `facts` of a layer with one and two of `names` set to all that the layer's rules speak of, and all of them to the same.
fn variants(layer: &str, facts: &Facts, names: &[&'static str]) -> Vec<Facts> {
    let (numbers, words) = literals(layer);
    let values = |name: &&str| -> Vec<Value> {
        match facts[*name] {
            Value::Number(_) => numbers.iter().map(|n| Value::from(*n as usize)).collect(),
            Value::Bool(_) => vec![false.into(), true.into()],
            Value::Text(_) => words.iter().map(|w| w.as_str().into()).collect(),
            Value::Tuple(_) => Vec::new(),
        }
    };
    let with = |pairs: &[(&'static str, &Value)]| {
        let mut facts = facts.clone();
        facts.extend(pairs.iter().map(|(name, value)| (*name, (*value).clone())));
        facts
    };
    let mut all = vec![facts.clone()];
    let choices: Vec<(&'static str, Vec<Value>)> = names.iter().map(|n| (*n, values(n))).collect();
    for (at, (a, first)) in choices.iter().enumerate() {
        all.extend(first.iter().map(|x| with(&[(a, x)])));
        for (b, second) in &choices[at + 1..] {
            let pairs = first.iter().flat_map(|x| second.iter().map(move |y| (x, y)));
            all.extend(pairs.map(|(x, y)| with(&[(a, x), (b, y)])));
        }
    }
    let number = |name: &&&str| matches!(facts[**name], Value::Number(_));
    let numeric: Vec<&'static str> = names.iter().filter(number).copied().collect();
    let same = numbers.iter().map(|n| Value::from(*n as usize));
    all.extend(same.map(|n| with(&numeric.iter().map(|name| (*name, &n)).collect::<Vec<_>>())));
    all
}

/// Every version of the table, and those before and after it.
fn versions() -> BTreeSet<Version> {
    let table: serde_json::Value = serde_json::from_str(TABLE).unwrap();
    let rows = table["rules"].as_array().unwrap();
    let text = |row: &serde_json::Value, key: &str| row[key].as_str().unwrap().to_string();
    let mut found: Vec<Version> = Vec::new();
    for row in rows {
        found.extend(["trt_min", "trt_max"].map(|key| text(row, key).parse::<Version>().unwrap()));
        let check = text(row, "check");
        let check = if check.contains("trt") {
            check
        } else {
            String::new()
        };
        let tuples = check.split('(').filter_map(|part| part.split_once(')'));
        let tuples = tuples.map(|(inside, _)| inside.replace(',', "."));
        found.extend(tuples.filter_map(|inside| inside.parse::<Version>().ok()));
    }
    let around = |Version(major, minor, patch): Version| {
        let before = match (minor, patch) {
            (0, 0) => Version(major.saturating_sub(1), 99, 0),
            (_, 0) => Version(major, minor - 1, 99),
            (_, _) => Version(major, minor, patch - 1),
        };
        let after = [Version(major, minor, patch + 1), Version(major, minor + 1, 0)];
        [before, Version(major, minor, patch), after[0], after[1]]
    };
    // The end of what the table may say is no version.
    let real = found.into_iter().filter(|version| version.0 < 999);
    real.flat_map(around).collect()
}

fn targets() -> &'static [DlaTarget] {
    static TARGETS: OnceLock<Vec<DlaTarget>> = OnceLock::new();
    TARGETS.get_or_init(|| {
        let mut all = Vec::new();
        for tensorrt in versions() {
            for chip in [Chip::Xavier, Chip::Orin] {
                all.extend([Precision::Fp16, Precision::Int8].map(|precision| DlaTarget {
                    chip,
                    tensorrt,
                    precision,
                }));
            }
        }
        all
    })
}

/// The variables of a layer that `rule` reads; `None` where it reads one that `facts` lack.
fn read(rule: &Rule, facts: &Facts) -> Option<Vec<&'static str>> {
    let names = rule.check()?.names().into_iter().filter(|n| !of_target(n));
    names.map(|name| Some(*facts.get_key_value(name)?.0)).collect()
}

/// Whether some target and some facts make `rule` the first one that is broken.
fn decides(rule: &Rule, samples: &[(&'static str, Facts)]) -> bool {
    let about = samples.iter().filter(|(layer, _)| rule.is_about(layer));
    let read = about.filter_map(|(layer, facts)| Some((*layer, facts, read(rule, facts)?)));
    read.into_iter().any(|(layer, facts, names)| {
        let variants = variants(layer, facts, &names);
        let applies = targets().iter().filter(|target| rule.applies(target));
        let first = |target: &DlaTarget, facts: &Facts| {
            let broken = first_broken(layer, target, facts);
            broken.is_some_and(|broken| broken.rule == rule)
        };
        applies
            .into_iter()
            .any(|t| variants.iter().any(|facts| first(t, facts)))
    })
}

#[test]
fn every_rule_decides_something_or_is_listed_with_a_reason() {
    let samples = samples();
    let conditional = rules().iter().filter(|rule| rule.check().is_some());
    let silent: BTreeSet<&str> = conditional
        .filter(|rule| !decides(rule, &samples))
        .map(|rule| rule.id.as_str())
        .collect();
    assert_eq!(silent, INFORMATIVE.iter().map(|(id, _)| *id).collect());
}

/// Two rules that read the same variables say the same of them: otherwise one of them is wrong, or says nothing.
#[test]
fn no_two_rules_of_a_layer_disagree() {
    let silent = |rule: &&Rule| !INFORMATIVE.iter().any(|(id, _)| *id == rule.id);
    let mut disagreements = BTreeMap::new();
    for (layer, facts) in samples() {
        let about: Vec<&Rule> = rules()
            .iter()
            .filter(|r| r.is_about(layer))
            .filter(silent)
            .collect();
        for (at, a) in about.iter().enumerate() {
            for b in &about[at + 1..] {
                let names = read(a, &facts).filter(|n| !n.is_empty() && Some(n) == read(b, &facts).as_ref());
                let variants = names.map_or(Vec::new(), |names| variants(layer, &facts, &names));
                let both = targets().iter().filter(|t| a.applies(t) && b.applies(t));
                for (target, facts) in both.flat_map(|t| variants.iter().map(move |v| (t, v))) {
                    let [a_holds, b_holds] = [a, b].map(|rule| holds(rule, target, facts));
                    if a_holds != b_holds {
                        disagreements.insert((&a.id, &b.id), format!("{target}: {facts:?}"));
                    }
                }
            }
        }
    }
    assert!(disagreements.is_empty(), "{disagreements:#?}");
}

fn holds(rule: &Rule, target: &DlaTarget, facts: &Facts) -> bool {
    let mut known = target.facts();
    known.extend(facts.clone());
    rule.check().is_none_or(|check| check.holds(&known).unwrap())
}

/// A layer that no rule describes is no layer of the DLA, so a gap between two rules would take it away.
#[test]
fn a_layer_that_a_dla_has_stays_in_later_versions() {
    let names: BTreeSet<&str> = samples().iter().map(|(layer, _)| *layer).collect();
    for layer in names.into_iter().filter(|layer| *layer != "*") {
        for chip in [Chip::Xavier, Chip::Orin] {
            let here = targets()
                .iter()
                .filter(|t| t.chip == chip && platform_limit(t).is_none());
            let known = here.skip_while(|t| !knows(layer, t));
            let lost: Vec<String> = known
                .filter(|t| !knows(layer, t))
                .map(DlaTarget::to_string)
                .collect();
            assert!(lost.is_empty(), "{layer}: {lost:?}");
        }
    }
}

/// The samples are layers that a DLA runs, but for those that no DLA takes.
#[test]
fn an_ordinary_layer_runs_on_the_newest_dla() {
    let newest = DlaTarget {
        chip: Chip::Orin,
        tensorrt: Version(10, 3, 0),
        precision: Precision::Fp16,
    };
    for (layer, facts) in samples() {
        let broken = first_broken(layer, &newest, &facts);
        let refused = ["shuffle", "constant"].contains(&layer);
        assert_eq!(broken.is_some(), refused, "{layer}: {broken:?}");
    }
}

#[test]
fn division_runs_where_the_operator_table_says() {
    let cases = [
        (Chip::Xavier, Version(8, 5, 2), "DIV", Some("ew.kinds.82")),
        (Chip::Orin, Version(8, 6, 1), "DIV", Some("ew.kinds.82")),
        (Chip::Orin, Version(8, 6, 12), "DIV", None),
        (Chip::Orin, Version(8, 6, 12), "POW", Some("ew.kinds.86")),
        (Chip::Orin, Version(10, 3, 0), "DIV", None),
        (Chip::Orin, Version(10, 3, 0), "POW", None),
        (Chip::Orin, Version(10, 3, 0), "MOD", Some("ew.kinds.10")),
    ];
    for (chip, tensorrt, op, want) in cases {
        let target = DlaTarget {
            chip,
            tensorrt,
            precision: Precision::Fp16,
        };
        let facts = Facts::from([("op", op.into()), ("same_shape", true.into())]);
        let broken = first_broken("elementwise", &target, &facts);
        let id = broken.map(|broken| broken.rule.id.as_str());
        assert_eq!(id, want, "{op} on {target}");
    }
}
