//! What a user can say about engines; all of it decides what is built, so all of it is part of a plan file's key.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::engine::EngineSpec;

/// How engines are built. The default leaves everything to TensorRT.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BuildOptions {
    /// Scratch memory of one engine, in bytes. Before TensorRT 8.4, whose default is none at all, 1 GiB.
    pub workspace: Option<u64>,
    /// Lets layers that a DLA refuses run on the GPU within its engine. They are counted and shown.
    pub gpu_fallback: bool,
    /// How hard the builder tries, 0 to 5 (TensorRT 8.6 and newer).
    pub level: Option<u8>,
    pub dla_memory: DlaMemory,
    pub timing: Timing,
}

/// The pools of one DLA loadable in bytes, each a power of two (TensorRT 8.4 and newer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DlaMemory {
    /// Memory on the chip that software manages.
    pub sram: Option<u64>,
    /// Memory for tensors between layers.
    pub local: Option<u64>,
    /// Memory for weights.
    pub global: Option<u64>,
}

/// What the builder may remember of the kernels that it timed. TensorRT has no switch that makes it pick the same kernels
/// every time: building with the same timing cache is what comes closest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Times are remembered within one build.
    #[default]
    OneBuild,
    /// Times are read from this file and added to it: what it holds is not timed again, so the same kernels are picked.
    /// Where TensorRT has editable caches (TensorRT-RTX and 11), the file can be edited to force a choice.
    File(PathBuf),
    /// Every layer is timed by itself.
    Off,
}

/// Where a build has got to.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub spec: &'a EngineSpec,
    /// TensorRT's name of the phase.
    pub phase: &'a str,
    pub event: PhaseEvent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseEvent {
    /// It will take so many steps.
    Begins(u32),
    /// This step, counted from zero, is done.
    Done(u32),
    Ends,
}

/// Hears of every step (TensorRT 10 and newer, TensorRT-RTX); `false` cancels the build.
pub type Progress = Arc<dyn Fn(Step<'_>) -> bool + Send + Sync>;
