//! The power mode, as NVIDIA's `nvpmodel` keeps it in files.

use std::fs;
use std::path::Path;

use crate::board::Board;

/// The name of a power mode that cannot be read.
pub const UNKNOWN: &str = "unknown power mode";

const MODES: &str = "etc/nvpmodel.conf";
const STATUS: &str = "var/lib/nvpmodel/status";

/// A mode of `nvpmodel`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerMode {
    /// E.g. `MODE_30W_ALL` or `MAXN`.
    pub name: String,
}

impl PowerMode {
    /// The mode in force.
    ///
    /// # Errors
    /// In words, which file cannot be read or does not say it.
    pub fn read(root: &Path) -> Result<PowerMode, String> {
        let text = |path: &str| {
            let read = fs::read_to_string(root.join(path));
            read.map_err(|error| format!("/{path}: {error}"))
        };
        let status = text(STATUS)?;
        let number = status.split_whitespace().find_map(|word| {
            let digits = word.strip_prefix("pmode:")?;
            digits.parse::<u32>().ok()
        });
        let number = number.ok_or_else(|| format!("/{STATUS} says no mode"))?;
        let name = names(&text(MODES)?).find(|(id, _)| *id == number);
        let name = name.ok_or_else(|| format!("/{MODES} has no mode {number}"))?.1;
        Ok(PowerMode { name })
    }
}

/// Number and name in every line like `< POWER_MODEL ID=2 NAME=MODE_30W >`.
fn names(conf: &str) -> impl Iterator<Item = (u32, String)> + '_ {
    let lines = conf.lines().filter(|line| line.contains("POWER_MODEL"));
    lines.filter_map(|line| {
        let word = |key: &str| {
            let mut words = line.split([' ', '<', '>', '\t']);
            words.find_map(|word| word.strip_prefix(key))
        };
        Some((word("ID=")?.parse().ok()?, word("NAME=")?.to_string()))
    })
}

/// The mode of `board` that is the one in force, or the nearest to it with a remark.
pub(super) fn nearest(board: &Board, read: &Result<PowerMode, String>) -> (Option<String>, Option<String>) {
    let usual = &board.default_mode;
    let name = match read {
        Ok(mode) => mode.name.as_str(),
        Err(reason) => {
            let remark = format!(
                "the power mode cannot be read ({reason}): first plans are made as in {usual}, and measured as it runs"
            );
            return (None, Some(remark));
        }
    };
    let published = |mode: &&crate::board::Mode| {
        let published = mode.published_as.as_ref().map_or("", |name| &name.0);
        name.starts_with("MAXN") && published.contains("MAXN")
    };
    let same = |mode: &&crate::board::Mode| match (watts(&mode.name.0), watts(name)) {
        (Some(a), Some(b)) => a == b,
        _ => mode.name.0.eq_ignore_ascii_case(name),
    };
    let found = board.modes.iter().find(same);
    if let Some(mode) = found.or_else(|| board.modes.iter().find(published)) {
        return (Some(mode.name.to_string()), None);
    }
    let near = watts(name).and_then(|asked| {
        let known = board.modes.iter().filter(|mode| watts(&mode.name.0).is_some());
        // Of two as near, the one that allows more.
        known.min_by_key(|mode| {
            let own = watts(&mode.name.0).unwrap_or(0);
            (own.abs_diff(asked), u32::MAX - own)
        })
    });
    let near = near.map_or(usual, |mode| &mode.name);
    let remark = format!(
        "power mode {name} is not known of {}: first plans are made as in {near}, and measured as it runs",
        board.title
    );
    (Some(near.to_string()), Some(remark))
}

/// The number before a `W`.
fn watts(name: &str) -> Option<u32> {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter_map(|word| word.strip_suffix(['W', 'w'])?.parse().ok())
        .next()
}
