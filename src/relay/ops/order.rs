//! Layouts: operators whose tensors have their axes in another order than the network's.

use super::{Change, Meaning};
use crate::relay::error::RelayError;
use crate::relay::expr::Call;

/// The order of a tensor's axes: axis `i` of ours is axis `axes[i]` of the call's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    axes: Vec<usize>,
}

impl Order {
    /// That of the text attribute `name`, any order of the letters `ours`.
    pub fn of(call: &Call, name: &str, ours: &str) -> Result<Order, RelayError> {
        let text = call.attrs.text(name)?;
        let axes: Option<Vec<usize>> = ours.chars().map(|letter| text.find(letter)).collect();
        let axes = axes.filter(|axes| axes.len() == text.chars().count());
        let refuse = || {
            let reason = format!("{name} is `{text}`, not {ours} in any order");
            call.attrs.refuse(reason)
        };
        Ok(Order {
            axes: axes.ok_or_else(refuse)?,
        })
    }

    /// That of the data, which the result shares.
    pub fn of_data(call: &Call, name: &str, ours: &str) -> Result<Order, RelayError> {
        let order = Order::of(call, name, ours)?;
        if call.attrs.has("out_layout") {
            let same = call.attrs.text(name)?;
            call.attrs.one_of("out_layout", &[&same, ""])?;
        }
        let (rank, want) = (call.x().len(), ours.len());
        call.attrs
            .ensure(rank == want && call.output().shape.len() == want, || {
                format!("its operand has rank {rank}, not {want}")
            })?;
        Ok(order)
    }

    /// Channels along axis 1, where the call has them along `channels`; the other axes keep their order.
    pub fn with_channels(channels: usize, rank: usize) -> Order {
        let mut axes: Vec<usize> = (0..rank).filter(|axis| *axis != channels).collect();
        axes.insert(1.min(axes.len()), channels);
        Order { axes }
    }

    /// Axis `i` of ours is axis `axes()[i]` of the call's.
    pub fn axes(&self) -> &[usize] {
        &self.axes
    }

    pub fn is_ours(&self) -> bool {
        self.axes.iter().copied().eq(0..self.axes.len())
    }

    /// The sides of the call's data or result, in our order.
    pub fn sides(&self, shape: &[usize]) -> Vec<usize> {
        self.axes.iter().map(|axis| shape[*axis]).collect()
    }

    /// The sides of another tensor, in our order, if it has that many.
    pub fn sides_of(&self, shape: &[usize]) -> Option<Vec<usize>> {
        (shape.len() == self.axes.len()).then(|| self.sides(shape))
    }

    /// The operator of a call whose data are in this order.
    pub fn around(self, taken: Meaning) -> Meaning {
        if self.is_ours() {
            return taken;
        }
        Meaning::InOrder {
            axes: self.axes,
            taken: Box::new(taken),
        }
    }

    /// What brings a constant operand from this order into ours.
    pub fn change(self, operand: usize) -> Option<Change> {
        (!self.is_ours()).then_some(Change::Permute {
            operand,
            axes: self.axes,
        })
    }
}
