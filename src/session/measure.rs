//! Single engines, measured.

use std::time::Duration;

use super::{Session, SessionError};
use crate::engine::StageKind;
use crate::pipeline::EngineKey;
use crate::plan::Device;

/// What else a machine does comes in moments that are longer than an execution of few rows.
const LONG: Duration = Duration::from_millis(50);

impl Session {
    /// The time of one execution with the devices to itself, on rows of zeros, cut after the longest prefix. The engine
    /// is built if need be.
    ///
    /// # Errors
    /// An engine that cannot be built, fails or hangs.
    pub fn time(&self, device: Device, stage: StageKind, batch: usize) -> Result<Duration, SessionError> {
        let engine = (device, EngineKey::new(stage, batch));
        let mut pipeline = self.pipeline();
        self.build_engines(&mut pipeline, self.longest(), std::iter::once(engine))?;
        let times = pipeline.measure(&[engine], LONG, |key| self.zeros(key))?;
        Ok(times.into_iter().sum())
    }

    /// The rows of every execution, where those of the network or of a stage cannot be proved apart: as many as compiled.
    pub fn unit(&self) -> Option<usize> {
        self.stages.unit(&self.graph)
    }

    /// Why the network runs only in executions as compiled.
    pub fn fixed_because(&self) -> Option<&str> {
        self.fixed.as_deref()
    }
}
