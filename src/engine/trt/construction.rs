//! TensorRT's objects that an engine is built with.

use super::build::TensorRt;
use super::error::TrtError;
use super::handle::Owned;
use super::network::Typing;
use super::sys;

/// Objects in the order in which TensorRT wants them destroyed.
pub(super) struct Construction {
    pub config: Owned<sys::Config>,
    pub network: Owned<sys::Network>,
    pub builder: Owned<sys::Builder>,
}

impl TensorRt {
    pub(super) fn construction(&self) -> Result<Construction, TrtError> {
        let builder = self.builder()?;
        let strong = i32::from(self.typing() == Typing::Strong);
        let destroy = self.0.table.network_destroy;
        // SAFETY: the builder lives, and outlives both.
        let network = Owned::new(self.0, "createNetworkV2", destroy, |table| unsafe {
            (table.network_create)(builder.as_ptr(), strong)
        })?;
        let destroy = self.0.table.config_destroy;
        // SAFETY: as above.
        let config = Owned::new(self.0, "createBuilderConfig", destroy, |table| unsafe {
            (table.config_create)(builder.as_ptr())
        })?;
        Ok(Construction {
            config,
            network,
            builder,
        })
    }
}
