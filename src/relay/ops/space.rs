//! Channels as places and back: a reshape, a transpose and a reshape.

use super::Meaning;
use super::order::Order;
use super::several::{Source, Writer};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// Blocks of channels become blocks of places; `DCR` has the channel last in a block's number, `CRD` first.
pub fn depth_to_space(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let (x, [n, c, h, w]) = channels_first(call, &mut writer)?;
    let block = block(call)?;
    call.attrs.ensure(c.is_multiple_of(block * block), || {
        format!("{c} channels are no blocks of {block} by {block}")
    })?;
    let deep = c / block / block;
    let (apart, order) = match call.attrs.text("mode")?.as_str() {
        "DCR" => ([n, block, block, deep, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" | "CDR" => ([n, deep, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        other => {
            return Err(call
                .attrs
                .refuse(format!("its mode is `{other}`, not DCR or CRD")));
        }
    };
    let x = writer.reshape(x, &apart)?;
    let x = writer.transpose(x, &order)?;
    let x = writer.reshape(x, &[n, deep, h * block, w * block])?;
    in_own_layout(call, writer, x)
}

/// Blocks of places become channels, the place in the block first.
pub fn space_to_depth(call: &Call) -> Result<Meaning, RelayError> {
    let mut writer = Writer::new(call);
    let (x, [n, c, h, w]) = channels_first(call, &mut writer)?;
    let block = block(call)?;
    call.attrs
        .ensure(h.is_multiple_of(block) && w.is_multiple_of(block), || {
            format!("a map of {h} by {w} is no blocks of {block} by {block}")
        })?;
    let (down, right) = (h / block, w / block);
    let x = writer.reshape(x, &[n, c, down, block, right, block])?;
    let x = writer.transpose(x, &[0, 3, 5, 1, 2, 4])?;
    let x = writer.reshape(x, &[n, c * block * block, down, right])?;
    in_own_layout(call, writer, x)
}

fn block(call: &Call) -> Result<usize, RelayError> {
    let block = usize::try_from(call.attrs.int("block_size")?).ok();
    let block = block.filter(|block| *block > 0);
    block.ok_or_else(|| call.attrs.refuse("its block size is not positive"))
}

fn channels_first(call: &Call, writer: &mut Writer) -> Result<(Source, [usize; 4]), RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let x = writer.operand(0)?;
    let x = writer.in_our_order(x, &order)?;
    let shape = writer.shape(x).try_into();
    let shape = shape.map_err(|_| call.attrs.refuse("its operand has no map"))?;
    Ok((x, shape))
}

fn in_own_layout(call: &Call, mut writer: Writer, x: Source) -> Result<Meaning, RelayError> {
    let order = Order::of_data(call, "layout", "NCHW")?;
    let x = writer.in_its_order(x, &order)?;
    writer.finish(x)
}
