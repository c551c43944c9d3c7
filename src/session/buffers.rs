//! Memory for a session's inputs.

use super::{Session, SessionError};
use crate::engine::{Array, HostBuffer};

/// Inputs to fill again and again: with TensorRT in page-locked memory, from which the device reads by itself.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let session = tvm_dla::session::Session::load("model.tar")?;
/// let mut buffers = session.buffers(64)?;
/// for elements in buffers.input(0) {
///     *elements = 0.5;
/// }
/// let outcome = session.run(&buffers.arrays())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Buffers {
    inputs: Vec<(Vec<usize>, HostBuffer)>,
}

impl Session {
    /// Buffers for `rows` rows of every input of the model, in its order of axes; zeros.
    ///
    /// # Errors
    /// [`SessionError::Memory`] when the system has no more page-locked memory.
    pub fn buffers(&self, rows: usize) -> Result<Buffers, SessionError> {
        let inputs = self.inputs().into_iter().map(|end| {
            let shape = end.port.declared(&end.rows.of(rows));
            let memory = self.backend().host_buffer(shape.iter().product());
            let memory = memory.map_err(|reason| SessionError::Memory { rows, reason })?;
            Ok((shape, memory))
        });
        Ok(Buffers {
            inputs: inputs.collect::<Result<_, SessionError>>()?,
        })
    }
}

impl Buffers {
    /// The elements of an input to write, row after row.
    ///
    /// # Panics
    /// If there is no such input, or an array of [`Buffers::arrays`] still lives, which would see what is written.
    pub fn input(&mut self, at: usize) -> &mut [f32] {
        let elements = self.inputs[at].1.elements();
        elements.expect("arrays of these buffers are gone before they are written again")
    }

    /// The buffers as what [`Session::run`] takes; nothing is copied.
    pub fn arrays(&self) -> Vec<Array> {
        let inputs = self.inputs.iter();
        inputs
            .map(|(shape, memory)| Array {
                shape: shape.clone(),
                data: memory.data().clone(),
            })
            .collect()
    }

    /// Whether the device reads them without a copy by the host.
    pub fn are_page_locked(&self) -> bool {
        self.inputs.iter().all(|(_, memory)| memory.is_page_locked())
    }
}
