//! Matrix products.

use super::several::{Source, Writer};
use super::{Meaning, op};
use crate::graph::Op;
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// `x[.., I], w[O, I]`
pub fn dense(_: &Call) -> Result<Meaning, RelayError> {
    op(Op::Dense, 2)
}

/// `a[.., K], b[K, N]`, each perhaps with its last two axes swapped. A constant `b` makes a dense layer.
pub fn matmul(call: &Call) -> Result<Meaning, RelayError> {
    let [a_swapped, b_swapped] = ["transpose_a", "transpose_b"].map(|name| call.attrs.flag(name));
    let mut writer = Writer::new(call);
    let (mut a, mut b) = (writer.operand(0)?, writer.operand(1)?);
    if a_swapped? {
        a = swapped(&mut writer, a)?;
    }
    if !b_swapped? {
        b = match call.operands[1].value() {
            Some(_) => writer.permuted(1, &[1, 0])?,
            None => swapped(&mut writer, b)?,
        };
    }
    let result = writer.apply(Op::Dense, &[a, b])?;
    writer.finish(result)
}

fn swapped(writer: &mut Writer, x: Source) -> Result<Source, RelayError> {
    let mut axes: Vec<usize> = (0..writer.rank(x)).collect();
    if let [.., a, b] = &mut axes[..] {
        std::mem::swap(a, b);
    }
    writer.transpose(x, &axes)
}

pub fn batch_matmul(call: &Call) -> Result<Meaning, RelayError> {
    let matmul = Op::BatchMatmul {
        transpose_a: call.attrs.flag("transpose_a")?,
        transpose_b: call.attrs.flag("transpose_b")?,
    };
    op(matmul, 2)
}
