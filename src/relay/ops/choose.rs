//! `where` with a constant condition: each operand times its mask, added.

use super::Meaning;
use super::several::{Source, Writer};
use crate::graph::BinaryKind;
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// The condition and the shape in which it holds or does not.
struct Condition {
    shape: Vec<usize>,
    holds: Vec<bool>,
}

pub fn choose(call: &Call) -> Result<Meaning, RelayError> {
    let condition = condition(call)?;
    let mut writer = Writer::new(call);
    let out = &call.output().shape;
    let parts = [(1, true), (2, false)];
    if let Some((operand, _)) = parts
        .iter()
        .find(|(_, side)| condition.holds.iter().all(|h| h == side))
    {
        let chosen = writer.operand(*operand)?;
        let result = writer.broadcast(chosen, out)?;
        return writer.finish(result);
    }
    let [a, b] = parts.map(|(operand, side)| condition.masked(call, &mut writer, operand, side));
    let result = writer.binary(BinaryKind::Add, a?, b?)?;
    writer.finish(result)
}

fn condition(call: &Call) -> Result<Condition, RelayError> {
    let value = call.operands.first().and_then(|operand| operand.value());
    let value = value.ok_or_else(|| call.attrs.refuse("its condition is computed at run time"))?;
    let holds = value.to_numbers()?.into_iter().map(|v| v != 0.0);
    Ok(Condition {
        shape: value.shape(),
        holds: holds.collect(),
    })
}

impl Condition {
    /// The operand where the condition is `side`, and zero elsewhere. Infinities of a constant are chosen here: none of
    /// them is multiplied by zero.
    fn masked(
        &self,
        call: &Call,
        writer: &mut Writer,
        operand: usize,
        side: bool,
    ) -> Result<Source, RelayError> {
        let source = writer.operand(operand)?;
        let Some(value) = call.operands[operand].value() else {
            let mask = self.holds.iter().map(|h| f32::from(u8::from(*h == side)));
            let mask = writer.constant(&self.shape, mask.collect());
            return writer.binary(BinaryKind::Mul, source, mask);
        };
        let (own, values) = (value.shape(), value.to_numbers()?);
        let shape = wider(&self.shape, &own);
        let chosen = (0..shape.iter().product()).map(|flat| {
            let holds = self.holds[at(flat, &shape, &self.shape)];
            if holds == side {
                values[at(flat, &shape, &own)]
            } else {
                0.0
            }
        });
        let chosen = chosen.collect();
        Ok(writer.constant(&shape, chosen))
    }
}

/// The shape to which two shapes broadcast.
fn wider(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let side = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank).map(|i| side(a, i).max(side(b, i))).collect()
}

/// Where in a tensor of shape `own` the element `flat` of the wider `shape` comes from.
fn at(flat: usize, shape: &[usize], own: &[usize]) -> usize {
    let (mut rest, mut place, mut step) = (flat, 0, 1);
    for (i, length) in shape.iter().enumerate().rev() {
        let index = rest % length;
        rest /= length;
        if let Some(axis) = (i + own.len()).checked_sub(shape.len()) {
            if own[axis] > 1 {
                place += index * step;
            }
            step *= own[axis];
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use super::{at, wider};

    #[test]
    fn constants_broadcast_as_numpy_does() {
        let cases = [
            (&[2, 1][..], &[3][..], &[2, 3][..], "both are widened"),
            (&[], &[2], &[2], "a scalar"),
            (&[2, 3], &[2, 3], &[2, 3], "equal shapes"),
        ];
        for (a, b, want, why) in cases {
            assert_eq!(wider(a, b), want, "{why}");
        }
        let from = |own: &[usize]| (0..6).map(|flat| at(flat, &[2, 3], own)).collect::<Vec<_>>();
        assert_eq!(from(&[2, 1]), [0, 0, 0, 1, 1, 1]);
        assert_eq!(from(&[3]), [0, 1, 2, 0, 1, 2]);
        assert_eq!(from(&[]), [0; 6]);
    }
}
