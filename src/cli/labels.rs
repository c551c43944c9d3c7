//! Class names, and the best classes of an output row.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::output::counted;
use crate::engine::Array;

/// One class of one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    pub class: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub score: f32,
}

/// One name per line. A leading `background` is dropped when there is exactly one name too many.
pub fn read(path: &Path, classes: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut labels: Vec<String> = text.lines().map(str::to_string).collect();
    if labels.len() == classes + 1 && labels[0] == "background" {
        labels.remove(0);
    }
    if labels.len() == classes {
        Ok(labels)
    } else {
        Err(format!(
            "{} has {}, the network {}",
            path.display(),
            counted(labels.len(), "label"),
            counted(classes, "class")
        )
        .into())
    }
}

/// Classes of an output of shape `[rows, classes]` or `[rows, classes, 1, 1]`; `None` for any other.
pub fn classes(output: &Array) -> Option<usize> {
    match output.shape[..] {
        [_, classes] | [_, classes, 1, 1] => Some(classes),
        _ => None,
    }
}

/// The `top` best classes of each of the first `rows` rows, best first.
pub fn best(output: &Array, rows: usize, top: usize, labels: &[String]) -> Vec<Vec<Guess>> {
    let Some(classes) = classes(output) else {
        return Vec::new();
    };
    let rows = output.data.chunks(classes.max(1)).take(rows);
    rows.map(|row| best_of(row, top, labels)).collect()
}

fn best_of(row: &[f32], top: usize, labels: &[String]) -> Vec<Guess> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
    let guess = |class: usize| Guess {
        class,
        label: labels.get(class).cloned(),
        score: row[class],
    };
    order.into_iter().take(top).map(guess).collect()
}
