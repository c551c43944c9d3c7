//! Work that is recorded once and started again as a whole: one call in place of one per kernel.

use std::ffi::c_void;
use std::ptr::null_mut;

use super::{Cuda, GraphApi, Stream, code};
use crate::engine::trt::TrtError;

/// Recorded work of a stream: what CUDA calls an instantiated graph.
pub struct Recording {
    cuda: Cuda,
    handle: *mut c_void,
}

// SAFETY: CUDA's handles may be used from any thread, by one at a time.
unsafe impl Send for Recording {}

impl Recording {
    /// Records what `work` gives `stream`, which runs nothing of it. The work's addresses are part of the recording.
    ///
    /// # Errors
    /// A CUDA runtime before 11.4, `work`'s own error, or work that cannot be recorded.
    pub fn of(
        cuda: &Cuda,
        stream: &Stream,
        work: impl FnOnce() -> Result<(), TrtError>,
    ) -> Result<Recording, TrtError> {
        let api = cuda.graphs()?;
        // SAFETY: the stream lives.
        let begun = unsafe { (api.begin_capture)(stream.handle(), code::CAPTURE_THIS_THREAD) };
        cuda.check("cudaStreamBeginCapture", begun)?;
        let given = work();
        let mut graph = null_mut();
        // SAFETY: ends what was begun above, also after an error, and writes one handle.
        let ended = unsafe { (api.end_capture)(stream.handle(), &mut graph) };
        let recorded = given.and_then(|()| cuda.check("cudaStreamEndCapture", ended));
        let recorded = recorded.and_then(|()| instantiate(cuda, api, graph));
        if !graph.is_null() {
            // SAFETY: made above, destroyed once; the recording does not need it.
            unsafe { (api.destroy_graph)(graph) };
        }
        if recorded.is_err() {
            // Otherwise the next to ask for the last error would get this one. SAFETY: takes nothing.
            unsafe { (cuda.0.api.last_error)() };
        }
        recorded
    }

    /// Gives `stream` the whole work.
    pub fn start(&self, stream: &Stream) -> Result<(), TrtError> {
        let api = self.cuda.graphs()?;
        // SAFETY: both handles live.
        let code = unsafe { (api.launch)(self.handle, stream.handle()) };
        self.cuda.check("cudaGraphLaunch", code)
    }
}

fn instantiate(cuda: &Cuda, api: &GraphApi, graph: *mut c_void) -> Result<Recording, TrtError> {
    let mut handle = null_mut();
    // SAFETY: the graph lives, and one handle is written.
    let code = unsafe { (api.instantiate)(&mut handle, graph, 0) };
    cuda.check("cudaGraphInstantiateWithFlags", code)?;
    let cuda = cuda.clone();
    Ok(Recording { cuda, handle })
}

impl Cuda {
    fn graphs(&self) -> Result<&GraphApi, TrtError> {
        self.0.graphs.as_ref().ok_or_else(|| TrtError::Cuda {
            call: "cudaStreamBeginCapture",
            reason: "this CUDA runtime is older than 11.4".into(),
        })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Ok(api) = self.cuda.graphs() {
            // SAFETY: made by cudaGraphInstantiateWithFlags, destroyed once.
            unsafe { (api.destroy_recording)(self.handle) };
        }
    }
}
