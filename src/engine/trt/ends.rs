//! Where data enters a network and leaves it.

use super::layout::Layout;
use super::network::{FLOAT, HALF, TrtNetwork, Typing, dims, text};
use super::sys;
use crate::lower::{BuildError, LayerResult, Value};

impl TrtNetwork<'_> {
    /// The engine's next input; what the network reads follows from its types.
    pub(super) fn input_tensor(&mut self, node: &str, shape: &[usize]) -> LayerResult {
        let port = &self.ports.inputs[self.inputs];
        self.inputs += 1;
        let (layout, name, at) = (port.layout, text(&port.name), dims(shape)?);
        let kind = match self.typing {
            Typing::Weak => FLOAT,
            Typing::Strong => layout.kind(),
        };
        let net = self.net();
        // SAFETY: the network lives; TensorRT copies name and shape.
        let tensor = self.library.object("addInput", |table| unsafe {
            (table.network_input)(net, name.as_ptr(), kind, &at)
        })?;
        let tensor = tensor.as_ptr();
        self.place(tensor, layout)?;
        self.taken.insert(tensor);
        let value = self.value(tensor);
        if self.halves() && kind == FLOAT {
            self.cast(node, value, HALF)
        } else {
            Ok(value)
        }
    }

    /// The engine's next output.
    pub(super) fn output_tensor(&mut self, node: &str, x: Value) -> Result<(), BuildError> {
        let port = &self.ports.outputs[self.outputs];
        self.outputs += 1;
        let (layout, name) = (port.layout, text(&port.name));
        let x = match (
            self.halves() && layout.kind() == FLOAT,
            self.taken.contains(&self.pointer(x)),
        ) {
            (true, _) | (false, true) => self.cast(node, x, FLOAT)?,
            (false, false) => x,
        };
        let (tensor, net) = (self.pointer(x), self.net());
        self.library.status("markOutput", |table| {
            // SAFETY: network and tensor live; TensorRT copies the name.
            unsafe {
                (table.tensor_name)(tensor, name.as_ptr());
                (table.network_output)(net, tensor)
            }
        })?;
        self.taken.insert(tensor);
        self.place(tensor, layout)
    }

    fn place(&self, tensor: *mut sys::Tensor, layout: Layout) -> Result<(), BuildError> {
        let (kind, format) = (layout.kind(), layout.format());
        // SAFETY: the tensor lives.
        let placed = self.library.status("setAllowedFormats", |table| unsafe {
            (table.tensor_io)(tensor, kind, format)
        });
        Ok(placed?)
    }
}
