//! The most probable classes of each row.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::CliError;
use crate::engine::Array;

/// One label per class.
pub struct Labels {
    path: PathBuf,
    names: Vec<String>,
}

impl Labels {
    /// One label per line.
    pub fn read(path: &Path) -> Result<Labels, CliError> {
        let text = std::fs::read_to_string(path).map_err(|error| CliError::Unreadable {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })?;
        Ok(Labels {
            path: path.to_path_buf(),
            names: text.lines().map(|line| line.trim().to_string()).collect(),
        })
    }

    /// # Errors
    /// [`CliError::Labels`] when they are not the labels of an output with so many classes.
    pub fn check(&self, output: &str, classes: usize) -> Result<(), CliError> {
        match self.names.len() == classes {
            true => Ok(()),
            false => Err(CliError::Labels {
                path: self.path.clone(),
                labels: self.names.len(),
                output: output.to_string(),
                classes,
            }),
        }
    }
}

/// One class of one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    pub class: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub probability: f32,
}

/// Classes per row of an output, if it is one score per class: `[N, classes]`, with sides of one anywhere after.
pub fn classes(shape: &[usize]) -> Option<usize> {
    let classes: usize = shape.iter().skip(1).product();
    let wide = shape.iter().skip(1).filter(|side| **side > 1).count();
    (wide == 1).then_some(classes)
}

/// The `count` most probable classes of each of the first `rows` rows, best first.
pub fn top(output: &Array, rows: usize, count: usize, labels: Option<&Labels>) -> Vec<Vec<Class>> {
    let Some(classes) = classes(&output.shape) else {
        return Vec::new();
    };
    let rows = output.data.chunks_exact(classes).take(rows);
    rows.map(|row| best(&probabilities(row), count, labels))
        .collect()
}

fn best(row: &[f32], count: usize, labels: Option<&Labels>) -> Vec<Class> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]).then(a.cmp(b)));
    let class = |class: usize| Class {
        class,
        label: labels.map(|labels| labels.names[class].clone()),
        probability: row[class],
    };
    order.into_iter().take(count).map(class).collect()
}

/// The row itself if it is a distribution, otherwise its softmax.
fn probabilities(row: &[f32]) -> Vec<f32> {
    let sum: f64 = row.iter().map(|v| f64::from(*v)).sum();
    if row.iter().all(|v| *v >= 0.0) && (sum - 1.0).abs() < 1e-3 {
        return row.to_vec();
    }
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = row.iter().map(|v| f64::from(v - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|v| (v / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_logits_become_probabilities() {
        let output = Array {
            shape: vec![3, 2, 1],
            data: vec![0.25, 0.75, 0.0, 1000.0, 9.0, 9.0].into(),
        };
        let rows = top(&output, 2, 1, None);
        let found: Vec<(usize, f32)> = rows
            .iter()
            .map(|r| (r[0].class, r[0].probability))
            .collect();
        assert_eq!(found, [(1, 0.75), (1, 1.0)], "a distribution, then logits");
        let tie = &top(&output, 3, 2, None)[2];
        assert_eq!(
            (tie[0].class, tie[0].probability),
            (0, 0.5),
            "ties keep their order"
        );
    }

    #[test]
    fn only_one_score_per_class_has_classes() {
        let cases: [(&[usize], Option<usize>, &str); 5] = [
            (&[8, 1000], Some(1000), "a classifier"),
            (&[8, 1000, 1, 1], Some(1000), "one that ends in pooling"),
            (&[8, 21, 33, 33], None, "a map"),
            (&[8, 1], None, "one number"),
            (&[8], None, "no classes"),
        ];
        for (shape, want, why) in cases {
            assert_eq!(classes(shape), want, "{why}");
        }
    }
}
