//! What a builder is told before it builds: flags, limits, the device.

use super::build::{Recipe, TensorRt};
use super::construction::Construction;
use super::error::TrtError;
use super::network::Typing;
use super::options::Timing;
use crate::engine::{EngineSpec, Precision};
use crate::plan::Device;

/// The builder's flags, by the shim's numbers.
mod flag {
    pub const FP16: i32 = 0;
    pub const INT8: i32 = 1;
    pub const GPU_FALLBACK: i32 = 2;
    pub const NO_TIMING_CACHE: i32 = 3;
    pub const EDITABLE_TIMING_CACHE: i32 = 4;
    pub const OBEY_PRECISION: i32 = 5;
    pub const TF32: i32 = 6;
}

/// The builder's pools, by the shim's numbers.
mod pool {
    pub const WORKSPACE: i32 = 0;
    pub const DLA_SRAM: i32 = 1;
    pub const DLA_LOCAL: i32 = 2;
    pub const DLA_GLOBAL: i32 = 3;
}

const EARLY_WORKSPACE: u64 = 1 << 30;

impl TensorRt {
    pub(super) fn configure(
        &self,
        spec: &EngineSpec,
        recipe: &Recipe,
        parts: &Construction,
    ) -> Result<(), TrtError> {
        let options = &recipe.options;
        self.set_types(recipe.numerics.precision, parts)?;
        let early = (self.0.version.major, self.0.version.minor) < (8, 4) && self.typing() == Typing::Weak;
        let workspace = options.workspace.or(early.then_some(EARLY_WORKSPACE));
        self.set_pool(parts, pool::WORKSPACE, workspace)?;
        if let Some(level) = options.level {
            self.0
                // SAFETY: the config lives.
                .status("setBuilderOptimizationLevel", |table| unsafe {
                    (table.config_level)(parts.config.as_ptr(), level.into())
                })?;
        }
        match options.timing {
            Timing::OneBuild => {}
            Timing::Off => self.set_flag(parts, flag::NO_TIMING_CACHE, true)?,
            Timing::File(_) => match self.set_flag(parts, flag::EDITABLE_TIMING_CACHE, true) {
                // Older caches cannot be edited, and are used all the same.
                Ok(()) | Err(TrtError::Call { .. }) => {}
                Err(error) => return Err(error),
            },
        }
        let Device::Dla(core) = spec.device else {
            return Ok(());
        };
        // SAFETY: the config lives.
        self.0.status("setDLACore", |table| unsafe {
            (table.config_dla)(parts.config.as_ptr(), core.into())
        })?;
        self.set_pool(parts, pool::DLA_SRAM, options.dla_memory.sram)?;
        self.set_pool(parts, pool::DLA_LOCAL, options.dla_memory.local)?;
        self.set_pool(parts, pool::DLA_GLOBAL, options.dla_memory.global)?;
        if options.gpu_fallback {
            self.set_flag(parts, flag::GPU_FALLBACK, true)
        } else {
            Ok(())
        }
    }

    /// INT8 networks have FP16 for what is not quantised; float32 is meant to be float32.
    fn set_types(&self, precision: Precision, parts: &Construction) -> Result<(), TrtError> {
        if precision == Precision::F32 {
            return self.set_flag(parts, flag::TF32, false);
        }
        if self.typing() == Typing::Strong {
            return Ok(());
        }
        self.set_flag(parts, flag::FP16, true)?;
        if precision == Precision::Int8 {
            self.set_flag(parts, flag::INT8, true)?;
            self.set_flag(parts, flag::OBEY_PRECISION, true)?;
        }
        Ok(())
    }

    fn set_flag(&self, parts: &Construction, flag: i32, on: bool) -> Result<(), TrtError> {
        // SAFETY: the config lives.
        self.0.status("setFlag", |table| unsafe {
            (table.config_flag)(parts.config.as_ptr(), flag, i32::from(on))
        })
    }

    fn set_pool(&self, parts: &Construction, pool: i32, bytes: Option<u64>) -> Result<(), TrtError> {
        let Some(bytes) = bytes else {
            return Ok(());
        };
        // SAFETY: the config lives.
        self.0.status("setMemoryPoolLimit", |table| unsafe {
            (table.config_memory)(parts.config.as_ptr(), pool, bytes)
        })
    }
}
