//! A clip with limits that no DLA has (rule `act.clip`: from 0 to between 1 and 127).
//!
//! Around zero it is the clip of what is positive and that of what is negative, of which one is zero; a limit in small or
//! in large is one times a power of two. All of it is exact.

use super::Edit;
use super::arithmetic::{ADD, MUL};
use crate::graph::{Activation, Op, TensorId};

/// The largest value that a DLA clips at.
const MOST: f32 = 127.0;

pub(super) fn zero(edit: &mut Edit, node: usize) -> bool {
    let Op::Activation(Activation::Clip { min, max }) = *edit.op(node) else {
        return false;
    };
    let x = edit.node(node).inputs[0];
    let known = edit.is_ranged(x) || edit.is_ranged(edit.node(node).output);
    if min > 0.0 || max < 0.0 || is_layer(min, max) || known {
        return false;
    }
    if min < 0.0 && edit.bounds(x).0 >= 0.0 {
        edit.set(node, clip(0.0, max), &[x]);
        return true;
    }
    if min == 0.0 {
        let Some(factor) = factor(max) else {
            return false;
        };
        let [up, down] = [factor, 1.0 / factor].map(|f| edit.weight("factor", &[], &[f]));
        let scaled = edit.add(node, MUL, &[x, up]);
        let max = max * factor;
        let cut = edit.add(node, clip(0.0, max), &[scaled]);
        edit.set(node, MUL, &[cut, down]);
        return true;
    }
    let minus = edit.weight("minus", &[], &[-1.0]);
    let negative = edit.add(node, MUL, &[x, minus]);
    let below = positive(edit, node, negative, -min);
    if max == 0.0 {
        edit.set(node, MUL, &[below, minus]);
        return true;
    }
    let below = edit.add(node, MUL, &[below, minus]);
    let above = positive(edit, node, x, max);
    edit.set(node, ADD, &[above, below]);
    true
}

/// `x` between zero and a limit; where that needs factors, this rule finds it again.
fn positive(edit: &mut Edit, node: usize, x: TensorId, max: f32) -> TensorId {
    edit.add(node, clip(0.0, max), &[x])
}

fn clip(min: f32, max: f32) -> Op {
    Op::Activation(match max {
        f32::INFINITY => Activation::Relu,
        max => Activation::Clip { min, max },
    })
}

fn is_layer(min: f32, max: f32) -> bool {
    min == 0.0 && (1.0..=MOST).contains(&max)
}

/// The power of two that brings a limit to between 1 and 127.
fn factor(max: f32) -> Option<f32> {
    let exponent = max.log2().floor();
    let small = -exponent;
    let large = 6.0 - exponent;
    let power = if max < 1.0 { small } else { large };
    let factor = power.exp2();
    let normal = max > 0.0 && factor.is_normal() && (1.0 / factor).is_normal();
    (normal && is_layer(0.0, max * factor)).then_some(factor)
}
