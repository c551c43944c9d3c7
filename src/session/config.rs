//! How to run a network here.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{Adapt, SessionError};
use crate::board::{Arithmetic, Machine};
use crate::engine::Backend;
use crate::plan::{Device, Plan, PlanError, TunedPlans};
use crate::split::{DlaTarget, Precision};

/// A machine, and what its engines compute in.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub machine: Machine,
    pub gpu: Arithmetic,
    pub dla: Precision,
}

impl Place {
    /// Engines in `precision` of a network that was compiled for `target`.
    pub fn new(machine: Machine, precision: crate::engine::Precision, target: &DlaTarget) -> Place {
        let (gpu, dla) = match precision {
            // A DLA does not compute in float32.
            crate::engine::Precision::F32 => (Arithmetic::Fp32, target.precision),
            crate::engine::Precision::F16 => (Arithmetic::Fp16, Precision::Fp16),
            crate::engine::Precision::Int8 => (Arithmetic::Int8, Precision::Int8),
        };
        Place { machine, gpu, dla }
    }
}

/// Frozen when the session starts.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The devices to use; all that both artifact and backend have when not given.
    pub devices: Option<Vec<Device>>,
    /// The plan of every run; a batch it does not add up to is an error.
    pub plan: Option<Plan>,
    /// Plans to use for the batches they add up to, before the artifact's; those that are not possible here are passed
    /// over.
    pub tuned: TunedPlans,
    /// Which plans follow what batches take.
    pub adapt: Adapt,
    /// The machine whose model makes the first plans, where it is known.
    pub place: Option<Place>,
    /// The power mode that rates are kept for.
    pub power: String,
    /// Bytes that plans nobody gave may take.
    pub memory: Option<u64>,
    /// Longest time of one execution before its device counts as hung.
    pub time_limit: Duration,
    /// Set it to end a run between two rounds.
    pub cancel: Arc<AtomicBool>,
}

impl Default for SessionConfig {
    fn default() -> SessionConfig {
        SessionConfig {
            devices: None,
            plan: None,
            tuned: TunedPlans::default(),
            adapt: Adapt::default(),
            place: None,
            power: String::new(),
            memory: None,
            time_limit: Duration::from_secs(60),
            cancel: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl SessionConfig {
    /// The devices of a session, GPU first, each once.
    pub(super) fn devices(
        &self,
        cores: &[u8],
        backend: &dyn Backend,
        needs_gpu: bool,
    ) -> Result<Vec<Device>, SessionError> {
        let compiled = |d: &Device| match d {
            Device::Gpu => true,
            Device::Dla(core) => cores.contains(core),
        };
        let mut available = backend.devices();
        available.retain(compiled);
        let mut devices = self.devices.clone().unwrap_or_else(|| available.clone());
        if let Some(device) = devices.iter().find(|d| !available.contains(d)).copied() {
            return Err(PlanError::Missing { device, available }.into());
        }
        devices.sort_unstable();
        devices.dedup();
        match devices.first() {
            None => Err(SessionError::NoDevice),
            Some(Device::Dla(_)) if needs_gpu => Err(SessionError::GpuNeeded),
            Some(_) => Ok(devices),
        }
    }
}
