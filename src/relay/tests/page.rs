//! `SUPPORTED_OPERATORS.md`: `UPDATE_GOLDEN=1 cargo test --release --lib supported_operators` writes it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use super::specimens::{self, Becomes};
use super::support::{self, Dla, Support, targets};
use crate::split::{Rule, rules};

const HEAD: &str = "# Supported operators

Made by a test from the readers of Relay (`src/relay/ops`), the DLA's rules (`data/dla_rules.json`) and the operators' cases
(`crates/core/src/graph/cases`): do not edit it. [CONTRIBUTING](CONTRIBUTING.md#test) says how it is written again.

`tvm-dla inspect` says the same of your own network, node by node, with the numbers that break a rule. A network is brought
into [canonical form](docs/compile.md#what-becomes-of-a-model) first, which often has operators that a DLA runs where the model's
own are none of a DLA: what follows is said of that form. Models that were quantised before TVM come through `qnn` operators,
which leave ranges behind and no operators.

";

const OPERATORS: &str = "## Operators of a network

*GPU* says whether TensorRT has layers for it. *Within limits* means that a DLA runs it as the layers named, where [their
limits](#limits-of-a-dla) are kept; *no* gives the reason that holds for most of its cases. *INT8* says what it is computed in
when a network is in INT8.

";

const SEVERAL: &str = "## Operators of TVM that become several

Each runs where all that it becomes runs, after canonical forms.

";

const NOTHING: &str = "## Operators of TVM that leave the network

They pass their operand on: ";

const KEPT: &str = "## Operators that stay with TVM

Operators without a reader stay with TVM, and so do these:

";

const LIMITS: &str = "## Limits of a DLA

By layer, for TensorRT 8.5.2 on Xavier and 10.3 on Orin. Other versions have other limits: `data/dla_rules.json` has them all,
with their sources.

";

fn page() -> String {
    let (support, read) = (support::all(), specimens::all());
    let mut page = [HEAD, OPERATORS].concat();
    operators(&mut page, &support, &read);
    several(&mut page, &read);
    page += NOTHING;
    let nothing = read.iter().filter(|(_, becomes)| *becomes == Becomes::Nothing);
    page += &nothing.map(|(name, _)| code(name)).collect::<Vec<_>>().join(", ");
    page += ".\n\n";
    kept(&mut page, &read);
    limits(&mut page, &support);
    page
}

fn operators(page: &mut String, support: &BTreeMap<&'static str, Support>, read: &[(&'static str, Becomes)]) {
    *page += "| operator | read from | GPU | DLA of Xavier (TensorRT 8.5.2) | DLA of Orin (TensorRT 10.3) | INT8 |\n";
    *page += "|---|---|---|---|---|---|\n";
    for (operator, found) in support {
        let from = read.iter().filter(|(_, b)| *b == Becomes::One(operator));
        let from: Vec<String> = from.map(|(name, _)| code(name)).collect();
        let from = if from.is_empty() {
            "other operators".to_string()
        } else {
            from.join(", ")
        };
        let gpu = if found.gpu { "yes" } else { "within limits" };
        let int8 = if found.int8 { "INT8" } else { "FP16" };
        let [xavier, orin] = ["Xavier", "Orin"].map(|chip| on_chip(found, chip));
        let name = code(operator);
        writeln!(page, "| {name} | {from} | {gpu} | {xavier} | {orin} | {int8} |").unwrap();
    }
    page.push('\n');
}

/// What a chip's DLA makes of an operator, in FP16, and in INT8 where that is another thing.
fn on_chip(support: &Support, chip: &'static str) -> String {
    let [fp16, int8] = ["FP16", "INT8"].map(|precision| cell(&support.dla[&(chip, precision)]));
    if fp16 == int8 {
        fp16
    } else {
        format!("{fp16}; INT8: {int8}")
    }
}

fn cell(dla: &Dla) -> String {
    match dla {
        Dla::No(reason) => format!("no: {reason}"),
        Dla::Within(layers) => {
            let links = layers.iter().map(|layer| format!("[{layer}](#{layer})"));
            format!("within limits: {}", links.collect::<Vec<_>>().join(", "))
        }
    }
}

fn several(page: &mut String, read: &[(&'static str, Becomes)]) {
    *page += SEVERAL;
    *page += "| operator of TVM | becomes |\n|---|---|\n";
    for (name, becomes) in read {
        if let Becomes::Several(names) = becomes {
            let parts: Vec<String> = names.iter().map(|name| code(name)).collect();
            writeln!(page, "| {} | {} |", code(name), parts.join(", ")).unwrap();
        }
    }
    page.push('\n');
}

fn kept(page: &mut String, read: &[(&'static str, Becomes)]) {
    *page += KEPT;
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, becomes) in read {
        if let Becomes::Refused(reason) = becomes {
            reasons.entry(reason).or_default().push(code(name));
        }
    }
    for (reason, names) in reasons {
        writeln!(page, "- {}: {reason}", names.join(", ")).unwrap();
    }
    page.push('\n');
}

fn limits(page: &mut String, support: &BTreeMap<&'static str, Support>) {
    *page += LIMITS;
    let found = support.values().flat_map(|support| support.dla.values());
    let mut layers: BTreeSet<&str> = BTreeSet::from(["*"]);
    layers.extend(found.flat_map(|dla| match dla {
        Dla::Within(layers) => layers.iter().copied().collect(),
        Dla::No(_) => Vec::new(),
    }));
    for layer in layers {
        let title = if layer == "*" {
            "every layer, and the whole of an engine"
        } else {
            layer
        };
        writeln!(page, "### {title}\n").unwrap();
        for rule in rules().iter().filter(|rule| rule.is_about(layer)) {
            if let Some(scope) = scope(rule) {
                writeln!(page, "- {} [{}]{scope}", rule.text, rule.id).unwrap();
            }
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
}

/// For whom of the targets a rule holds: nobody, some, or all, of whom nothing is said.
fn scope(rule: &Rule) -> Option<String> {
    let holds = targets().map(|(chip, precision, target)| (chip, precision, rule.applies(&target)));
    let mut chips: BTreeSet<&str> = BTreeSet::new();
    let mut precisions: BTreeSet<&str> = BTreeSet::new();
    for (chip, precision, _) in holds.into_iter().filter(|(_, _, holds)| *holds) {
        chips.insert(chip);
        precisions.insert(precision);
    }
    let only = |names: &BTreeSet<&str>| match names.len() {
        1 => names.first().map(|name| format!("{name} only")),
        _ => None,
    };
    let scope: Vec<String> = [only(&chips), only(&precisions)].into_iter().flatten().collect();
    match (chips.is_empty(), scope.is_empty()) {
        (true, _) => None,
        (false, true) => Some(String::new()),
        (false, false) => Some(format!(" ({})", scope.join(", "))),
    }
}

fn code(name: &str) -> String {
    format!("`{name}`")
}

#[test]
fn what_is_read_has_a_case_and_so_a_line_of_the_page() {
    let support = support::all();
    for (name, becomes) in specimens::all() {
        let parts = match becomes {
            Becomes::One(operator) => vec![operator],
            Becomes::Several(operators) => operators,
            Becomes::Nothing | Becomes::Refused(_) => Vec::new(),
        };
        for part in parts {
            assert!(
                support.contains_key(part),
                "{name} becomes `{part}`, which has no case in graph/cases"
            );
        }
    }
}

#[test]
fn supported_operators_are_as_the_page_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("SUPPORTED_OPERATORS.md");
    let page = page();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differ = written.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert!(
        written == page,
        "SUPPORTED_OPERATORS.md is out of date: UPDATE_GOLDEN=1 cargo test --lib supported_operators\n{differ:?}"
    );
}
