//! Robust least squares on logarithms of errors, with priors: Levenberg-Marquardt with numeric derivatives.

use super::observation::Observation;
use crate::board::{Constants, DEFINITIONS, Key};

/// Standard deviation of a measurement's logarithm that the model cannot explain.
const NOISE: f64 = 0.12;

/// Errors beyond this many standard deviations count linearly (Huber).
const HUBER: f64 = 1.5;

const ROUNDS: usize = 60;

/// The constants that best explain `observations`.
pub fn fit(observations: &[&Observation], start: &Constants) -> Constants {
    let keys: Vec<usize> = (0..DEFINITIONS.len())
        .filter(|i| DEFINITIONS[*i].spread > 0.0)
        .collect();
    fit_keys(&keys, start, &|constants| {
        let error = |o: &&Observation| (o.error(constants) / NOISE, o.weight);
        observations.iter().map(error).collect()
    })
}

/// A model's errors in standard deviations, each with its weight.
type Errors<'a> = &'a dyn Fn(&Constants) -> Vec<(f64, f64)>;

/// Fits only `keys`.
fn fit_keys(keys: &[usize], start: &Constants, errors: Errors) -> Constants {
    let mut best = start.clone();
    let mut cost = total(&residuals(keys, &best, errors));
    let mut damping = 1e-2;
    for _ in 0..ROUNDS {
        let (gradient, curvature) = derivatives(keys, &best, errors);
        let mut matrix = curvature.clone();
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] *= 1.0 + damping;
        }
        let Some(step) = solve(matrix, gradient) else {
            break;
        };
        let moved = shifted(keys, &best, &step);
        let new = total(&residuals(keys, &moved, errors));
        if new < cost {
            let done = cost - new < 1e-7 * cost;
            (best, cost, damping) = (moved, new, damping * 0.3);
            if done {
                break;
            }
        } else {
            damping *= 4.0;
            if damping > 1e8 {
                break;
            }
        }
    }
    best
}

/// Weighted errors, then how far each constant is from its prior.
fn residuals(keys: &[usize], constants: &Constants, errors: Errors) -> Vec<f64> {
    let huber = |error: f64| {
        if error.abs() <= HUBER {
            error
        } else {
            error.signum() * (HUBER * (2.0 * error.abs() - HUBER)).sqrt()
        }
    };
    let measured = errors(constants).into_iter().map(|(e, w)| w.sqrt() * huber(e));
    let prior = keys.iter().map(|k| {
        let definition = &DEFINITIONS[*k];
        (constants.get(definition.key) / definition.prior).ln() / definition.spread
    });
    measured.chain(prior).collect()
}

fn total(residuals: &[f64]) -> f64 {
    residuals.iter().map(|r| r * r).sum()
}

type System = (Vec<f64>, Vec<Vec<f64>>);

fn derivatives(keys: &[usize], at: &Constants, errors: Errors) -> System {
    const WIDTH: f64 = 1e-4;
    let here = residuals(keys, at, errors);
    let columns: Vec<Vec<f64>> = (0..keys.len())
        .map(|k| {
            let mut step = vec![0.0; keys.len()];
            step[k] = WIDTH;
            let there = residuals(keys, &shifted(keys, at, &step), errors);
            there.iter().zip(&here).map(|(t, h)| (t - h) / WIDTH).collect()
        })
        .collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let gradient = columns.iter().map(|c| -product(c, &here)).collect();
    let curvature = columns
        .iter()
        .map(|a| columns.iter().map(|b| product(a, b)).collect());
    (gradient, curvature.collect())
}

fn shifted(keys: &[usize], from: &Constants, step: &[f64]) -> Constants {
    let mut moved = from.clone();
    for (index, step) in keys.iter().zip(step) {
        let key: Key = DEFINITIONS[*index].key;
        moved.set(key, from.get(key) * step.clamp(-0.5, 0.5).exp());
    }
    moved
}

/// Gaussian elimination with partial pivots; `None` when singular.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let n = right.len();
    for column in 0..n {
        let pivot =
            (column..n).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        if matrix[pivot][column].abs() < 1e-12 {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        for row in column + 1..n {
            let (above, below) = matrix.split_at_mut(row);
            let factor = below[0][column] / above[column][column];
            for (value, pivot) in below[0].iter_mut().zip(&above[column]).skip(column) {
                *value -= factor * pivot;
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| matrix[row][k] * right[k]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}
