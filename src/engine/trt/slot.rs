//! One of the executions that an engine may have in flight.

use super::cuda::{Buffer, Cuda, Event, Recording, Stream};
use super::error::TrtError;
use super::layout::Layout;
use super::ports::{Port, Ports};
use crate::engine::Rows;

/// Buffers, and a stream that copies in, computes and copies out. Fields are dropped in the order in which CUDA wants it.
pub(super) struct Slot {
    /// The engine's work with this slot's addresses, once it was recorded.
    pub recording: Option<Recording>,
    pub inputs: Vec<Buffer>,
    pub outputs: Vec<Buffer>,
    /// Reached when the engine has read the inputs and written the outputs.
    computed: Event,
    /// Reached when the host has the outputs.
    done: Event,
    pub stream: Stream,
    /// Rows that the device reads where they are.
    held: Vec<Rows>,
}

impl Slot {
    pub fn new(cuda: &Cuda, ports: &Ports) -> Result<Slot, TrtError> {
        let buffers = |ports: &[Port]| -> Result<Vec<Buffer>, TrtError> {
            let sizes = ports.iter().map(|port| port.layout.bytes(&port.shape));
            sizes.map(|size| Buffer::new(cuda, size)).collect()
        };
        Ok(Slot {
            recording: None,
            inputs: buffers(&ports.inputs)?,
            outputs: buffers(&ports.outputs)?,
            computed: Event::new(cuda)?,
            done: Event::new(cuda)?,
            stream: Stream::new(cuda)?,
            held: Vec::new(),
        })
    }

    /// Puts one execution's rows where the device reads. Rows that lie as the engine wants them in page-locked memory are
    /// read from there; others are packed.
    pub fn upload(&mut self, cuda: &Cuda, ports: &[Port], inputs: Vec<Rows>) -> Result<(), TrtError> {
        for ((rows, port), buffer) in inputs.into_iter().zip(ports).zip(&mut self.inputs) {
            let values = rows.as_slice();
            let in_place = port.layout == Layout::Plain && buffer.is_copied() && cuda.is_page_locked(values);
            if in_place {
                // SAFETY: the rows are held until the slot's work was waited for.
                unsafe { buffer.fill(values, &self.stream) }?;
                self.held.push(rows);
                continue;
            }
            port.layout.pack(&port.shape, values, buffer.bytes_mut());
            buffer.to_device(&self.stream)?;
        }
        Ok(())
    }

    /// What is given to the stream from here on begins when `other` has computed.
    pub fn after(&self, other: &Slot) -> Result<(), TrtError> {
        self.stream.wait(&other.computed)
    }

    /// Ends one execution's work: outputs go to the host.
    pub fn download(&self) -> Result<(), TrtError> {
        self.computed.record(&self.stream)?;
        for buffer in &self.outputs {
            buffer.to_host(&self.stream)?;
        }
        self.done.record(&self.stream)
    }

    /// Whether [`Slot::wait`] would not wait.
    pub fn is_done(&self) -> bool {
        self.done.reached()
    }

    pub fn wait(&mut self) -> Result<(), TrtError> {
        let waited = self.done.wait();
        self.held.clear();
        waited
    }

    /// Waits for whatever the stream was given, also after a failure half way.
    pub fn settle(&mut self) {
        // After a failure there may be nothing left to wait for, and nothing to be done about it.
        let _ = self.done.record(&self.stream).and_then(|()| self.wait());
    }

    /// One array per output.
    pub fn results(&self, ports: &[Port]) -> Vec<Vec<f32>> {
        let outputs = ports.iter().zip(&self.outputs);
        outputs
            .map(|(port, buffer)| port.layout.unpack(&port.shape, buffer.bytes()))
            .collect()
    }
}
