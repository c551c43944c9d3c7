//! A Jetson as numbers: what every layer of a network costs on its GPU and its DLA cores, before anything is run.
//!
//! [`Board`] is data (clocks, arithmetic, memory), [`Constants`] is what was fitted to published measurements, and
//! [`BoardCosts`] puts both together for the simulator. Figures from here are predictions, never measurements.

mod constants;
mod contention;
mod costs;
mod dla;
mod file;
mod fitted;
mod framework;
mod gpu;
mod hardware;
mod work;

pub use constants::{Constants, DEFINITIONS, Definition, Key};
pub use contention::slow_down;
pub use costs::{BoardCosts, CostError, Setting};
pub use dla::Dla;
pub use file::{BoardError, builtin, named};
pub use fitted::{Accuracy, FittedModel, Level, Processor, StoredConstant};
pub use framework::Framework;
pub use gpu::Gpu;
pub use hardware::{
    Architecture, Arithmetic, Board, DlaHardware, GpuHardware, Machine, Megahertz, Mode, Positive,
};
pub use work::{Geometry, Kind, Layer, Target, layers};
