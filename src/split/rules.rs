//! The DLA's capability rules, read from `data/dla_rules.json`: the one place that says what a DLA takes.

use std::sync::OnceLock;

use serde::Deserialize;

use super::expr::{Expr, Facts};
use super::parse::parse;
use super::target::{DlaTarget, Version};

/// One documented or observed limit.
#[derive(Debug)]
pub struct Rule {
    /// Stable name, such as `conv.kernel`.
    pub id: String,
    /// The limit in words.
    pub text: String,
    layers: Vec<String>,
    check: Option<Expr>,
    precisions: Vec<String>,
    chips: Vec<String>,
    first: Version,
    /// `8.5` covers every 8.5.x.
    last: Version,
}

/// A rule that a layer breaks, with the facts that break it.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    pub rule: &'static Rule,
    pub values: Vec<(String, String)>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        self.id == other.id
    }
}

/// The first rule of `layer` that `facts` break. Rules that read a variable `facts` lack are not about a single
/// layer and are skipped; a test lists them.
pub fn first_broken(layer: &str, target: &DlaTarget, facts: &Facts) -> Option<Broken> {
    let mut known = target.facts();
    known.extend(facts.iter().map(|(name, value)| (*name, value.clone())));
    rules()
        .iter()
        .filter(|rule| rule.layers.iter().any(|l| l == layer) && rule.applies(target))
        .find_map(|rule| rule.broken_by(&known))
}

/// Whether any rule describes `layer` at all; a DLA has no layer that the table does not know.
pub fn knows(layer: &str) -> bool {
    rules()
        .iter()
        .any(|rule| rule.layers.iter().any(|l| l == layer))
}

impl Rule {
    fn applies(&self, target: &DlaTarget) -> bool {
        let chip = self.chips.iter().any(|c| c == target.chip.rule_name());
        let precision = self
            .precisions
            .iter()
            .any(|p| p == target.precision.rule_name());
        chip && precision && (self.first..=self.last).contains(&target.tensorrt)
    }

    fn broken_by(&'static self, facts: &Facts) -> Option<Broken> {
        let check = self.check.as_ref()?;
        let names = check.names();
        if names.iter().any(|name| !facts.contains_key(name)) || check.holds(facts) != Ok(false) {
            return None;
        }
        let values = names
            .iter()
            .filter(|name| !["chip", "precision", "trt"].contains(name))
            .map(|name| (name.to_string(), facts[name].to_string()))
            .collect();
        Some(Broken { rule: self, values })
    }
}

#[derive(Deserialize)]
struct Table {
    rules: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    layer: String,
    rule: String,
    check: String,
    precision: String,
    chips: Vec<String>,
    trt_min: String,
    trt_max: String,
}

/// Every rule, in the order of the table.
pub fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        read(include_str!("../../data/dla_rules.json"))
            .expect("the embedded rule table is checked by a test")
    })
}

fn read(text: &str) -> Result<Vec<Rule>, String> {
    let table: Table = serde_json::from_str(text).map_err(|error| error.to_string())?;
    table.rules.into_iter().map(Rule::from_row).collect()
}

impl Rule {
    fn from_row(row: Row) -> Result<Rule, String> {
        let owned =
            |text: &str| -> Vec<String> { text.split('|').map(|p| p.trim().to_string()).collect() };
        let first = row.trt_min.parse()?;
        let last = last_of(&row.trt_max)?;
        let check = match row.check.is_empty() {
            true => None,
            false => Some(parse(&row.check).map_err(|error| format!("{}: {error}", row.id))?),
        };
        Ok(Rule {
            layers: owned(&row.layer),
            precisions: owned(&row.precision),
            chips: row.chips,
            id: row.id,
            text: row.rule,
            check,
            first,
            last,
        })
    }
}

/// The last version that `text` covers.
fn last_of(text: &str) -> Result<Version, String> {
    let Version(major, minor, patch) = text.parse()?;
    let patch = if text.split('.').count() == 2 {
        u32::MAX
    } else {
        patch
    };
    Ok(Version(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Variables that a single layer, a target or a whole stage binds.
    const BOUND: [&str; 53] = [
        "chip",
        "trt",
        "precision",
        "e",
        "rank",
        "C",
        "H",
        "W",
        "K",
        "kh",
        "kw",
        "sh",
        "sw",
        "dh",
        "dw",
        "pt",
        "pl",
        "pb",
        "pr",
        "groups",
        "spatial_dims",
        "op",
        "wh",
        "ww",
        "exclusive_padding",
        "kind",
        "alpha",
        "beta",
        "slope_is_constant",
        "same_shape",
        "constant_operand",
        "power",
        "window",
        "axis",
        "n",
        "axis_len",
        "others",
        "b_is_constant",
        "weight_bytes",
        "batch",
        "internal_tensor_bytes",
        "nb_dla_cores",
        "static_shape",
        "pad",
        "dil",
        "batch_scale",
        "channel_scale",
        "integer_scale",
        "scale",
        "mode",
        "rounding",
        "coordinates",
        "unit_stride",
    ];

    #[test]
    fn every_rule_is_applied_or_listed_here_with_a_reason() {
        let elsewhere: BTreeSet<&str> = [
            "gen.samebatch",   // one engine has one batch by construction
            "gen.loadables.4", // engines per core: the plan
            "gen.loadables.8",
            "gen.loadables.16",
            "gen.pool.sram", // builder options
            "gen.cudagraph", // runtime option
            "gen.calib",     // INT8 calibration
            "gen.qdq",
            "io.in", // formats at the boundary of an engine
            "io.out",
            "io.stride",
            "pool.int8", // needs calibrated scales
            "ew.int8",
        ]
        .into();
        let unbound: BTreeSet<&str> = rules()
            .iter()
            .filter_map(|rule| Some((rule, rule.check.as_ref()?)))
            .filter(|(_, check)| check.names().iter().any(|name| !BOUND.contains(name)))
            .map(|(rule, _)| rule.id.as_str())
            .collect();
        assert_eq!(unbound, elsewhere);
    }

    #[test]
    fn the_table_reads_and_its_ids_are_unique() {
        let ids: BTreeSet<&str> = rules().iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), rules().len());
        assert!(knows("conv") && knows("fc") && !knows("padding"));
    }
}
