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
    /// What breaks it, said of one layer, with the names of facts in braces.
    reason: Option<String>,
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
        .filter(|rule| rule.is_about(layer) && rule.applies(target))
        .find_map(|rule| rule.broken_by(&known))
}

/// Whether any rule describes `layer` for this target; a DLA has no layer that the table does not know.
pub fn knows(layer: &str, target: &DlaTarget) -> bool {
    rules()
        .iter()
        .any(|rule| rule.is_about(layer) && rule.applies(target))
}

impl Rule {
    /// Whether it limits `layer`; `*` is every layer.
    pub fn is_about(&self, layer: &str) -> bool {
        self.layers.iter().any(|l| l == layer)
    }

    #[cfg(test)]
    pub(super) fn check(&self) -> Option<&Expr> {
        self.check.as_ref()
    }

    /// Whether it holds for this chip, version and precision.
    pub fn applies(&self, target: &DlaTarget) -> bool {
        let chip = self.chips.iter().any(|c| c == target.chip.rule_name());
        let precision = self.precisions.iter().any(|p| p == target.precision.rule_name());
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
    #[serde(default)]
    reason: Option<String>,
    check: String,
    precision: String,
    chips: Vec<String>,
    trt_min: String,
    trt_max: String,
}

impl Broken {
    /// What is wrong in words, and the facts that these do not say.
    pub fn said(self) -> (String, Vec<(String, String)>) {
        let Some(reason) = &self.rule.reason else {
            return (self.rule.text.clone(), self.values);
        };
        let said = self.values.iter();
        let said = said.fold(reason.clone(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        });
        (said, Vec::new())
    }
}

/// Every rule, in the order of the table.
pub fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        read(include_str!("../../../../data/dla_rules.json"))
            .expect("the embedded rule table is checked by a test")
    })
}

fn read(text: &str) -> Result<Vec<Rule>, String> {
    let table: Table = serde_json::from_str(text).map_err(|error| error.to_string())?;
    table.rules.into_iter().map(Rule::from_row).collect()
}

impl Rule {
    fn from_row(row: Row) -> Result<Rule, String> {
        let owned = |text: &str| -> Vec<String> { text.split('|').map(|p| p.trim().to_string()).collect() };
        let first = row.trt_min.parse()?;
        let last = last_of(&row.trt_max)?;
        let check = if row.check.is_empty() {
            None
        } else {
            Some(parse(&row.check).map_err(|error| format!("{}: {error}", row.id))?)
        };
        Ok(Rule {
            layers: owned(&row.layer),
            precisions: owned(&row.precision),
            chips: row.chips,
            id: row.id,
            text: row.rule,
            reason: row.reason,
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

    /// A reason names facts of its rule, and a rule that a layer may break has one.
    #[test]
    fn every_layer_is_told_in_words_what_it_breaks() {
        for rule in rules() {
            let names = rule.check.as_ref().map(Expr::names).unwrap_or_default();
            let reason = rule.reason.as_deref().unwrap_or_default();
            let holes = reason.split('{').skip(1);
            for name in holes.filter_map(|rest| rest.split('}').next()) {
                assert!(names.iter().any(|known| *known == name), "{}: {name}", rule.id);
            }
        }
        let words = [
            "conv",
            "deconv",
            "pool",
            "unary",
            "elementwise",
            "reduce",
            "shuffle",
        ];
        for rule in rules().iter().filter(|rule| rule.check.is_some()) {
            // What concerns INT8 ranges or the buffer is no property of a layer alone.
            let alone = !rule.id.ends_with(".int8")
                && rule.id != "conv.cbuf"
                && rule.id != "pool.kind"
                && rule.id != "deconv.dil";
            if alone && words.iter().any(|layer| rule.is_about(layer)) {
                assert!(rule.reason.is_some(), "{} recites its rule", rule.id);
            }
        }
    }

    #[test]
    fn the_table_reads_and_its_ids_are_unique() {
        let ids: BTreeSet<&str> = rules().iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids.len(), rules().len());
        let target = DlaTarget::default();
        assert!(["conv", "fc", "prelu"].iter().all(|l| knows(l, &target)));
        assert!(!knows("padding", &target));
        let older = DlaTarget {
            tensorrt: Version(8, 2, 1),
            ..target
        };
        assert!(knows("conv", &older) && !knows("prelu", &older));
    }
}
