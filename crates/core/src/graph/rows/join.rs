//! Operators of several tensors that may all hold rows.

use super::place::Place;
use super::step::{Operand, Step};

type Joined = Result<Step, String>;

/// With NumPy broadcasting: axes count from the last.
pub(super) fn binary(operands: &[Operand<'_>], output: &[usize]) -> Joined {
    let offset = |operand: &Operand<'_>| output.len() - operand.shape.len();
    let placed = |operand: &Operand<'_>| {
        let place = operand.place?;
        Some(place.on(place.axis + offset(operand)))
    };
    let place = common(operands.iter().filter_map(placed))?;
    let own = |operand: &Operand<'_>| {
        let axis = place.axis.checked_sub(offset(operand))?;
        Some(place.on(axis))
    };
    let broadcast = |operand: &Operand<'_>| own(operand).is_none_or(|p| operand.shape[p.axis] == 1);
    repeating(operands, place, own, broadcast)
}

pub(super) fn concat(operands: &[Operand<'_>], axis: usize) -> Joined {
    let place = common(operands.iter().filter_map(|operand| operand.place))?;
    if place.axis == axis {
        return Err(format!("works along axis {axis}, where the rows lie"));
    }
    repeating(operands, place, |_| Some(place), |_| false)
}

/// `a[B,M,K], b[B,K,N]`: rows lie along `B` of both, or along `M` or `N` of one.
pub(super) fn batch_matmul(operands: &[Operand<'_>], transpose_a: bool, transpose_b: bool) -> Joined {
    let m = if transpose_a { 2 } else { 1 };
    let n = if transpose_b { 1 } else { 2 };
    match (operands[0].place, operands[1].place) {
        (Some(a), None) if a.axis == m => Ok(Step::at(a.on(1))),
        (None, Some(b)) if b.axis == n => Ok(Step::at(b.on(2))),
        (a, b) => {
            let place = common(a.into_iter().chain(b))?;
            if place.axis != 0 {
                return Err(format!("works along axis {}, where the rows lie", place.axis));
            }
            let broadcast = |operand: &Operand<'_>| operand.shape[0] == 1;
            repeating(operands, place, |_| Some(place), broadcast)
        }
    }
}

/// The place that all have.
fn common(mut places: impl Iterator<Item = Place>) -> Result<Place, String> {
    let first = places.next().ok_or("no operand has rows")?;
    if places.all(|place| place == first) {
        Ok(first)
    } else {
        Err("its operands hold the rows at different places".to_string())
    }
}

/// Operands without rows have to be broadcast over them, or be weights that can be repeated.
fn repeating(
    operands: &[Operand<'_>],
    place: Place,
    own: impl Fn(&Operand<'_>) -> Option<Place>,
    broadcast: impl Fn(&Operand<'_>) -> bool,
) -> Joined {
    let mut step = Step::at(place);
    for (at, operand) in operands.iter().enumerate() {
        if operand.place.is_some() || broadcast(operand) {
            continue;
        }
        match own(operand).filter(|place| (operand.repeats)(*place)) {
            Some(place) => step.repeated.push((at, place)),
            None => return Err("an operand is not one row per image".to_string()),
        }
    }
    Ok(step)
}
