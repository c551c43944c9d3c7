//! Memory of the host that devices read well.

use std::fmt;
use std::sync::Arc;

/// Elements to fill and to run, in memory that a backend chose: page-locked where the device then reads them without a copy
/// by the host.
pub struct HostBuffer {
    // Before the memory, which has to stay as long as its pages are locked.
    lock: Option<Box<dyn Send + Sync>>,
    data: Arc<Vec<f32>>,
}

impl HostBuffer {
    /// Memory as any other.
    pub fn plain(data: Arc<Vec<f32>>) -> HostBuffer {
        HostBuffer { lock: None, data }
    }

    /// Memory whose pages `lock` keeps in place as long as it lives.
    pub(super) fn locked(data: Arc<Vec<f32>>, lock: Box<dyn Send + Sync>) -> HostBuffer {
        let lock = Some(lock);
        HostBuffer { lock, data }
    }

    pub fn is_page_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The elements to write; `None` while somebody else still has [`HostBuffer::data`].
    pub fn elements(&mut self) -> Option<&mut [f32]> {
        Arc::get_mut(&mut self.data).map(Vec::as_mut_slice)
    }

    /// The elements, shared.
    pub fn data(&self) -> &Arc<Vec<f32>> {
        &self.data
    }
}

impl fmt::Debug for HostBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBuffer")
            .field("elements", &self.data.len())
            .field("page_locked", &self.is_page_locked())
            .finish()
    }
}
