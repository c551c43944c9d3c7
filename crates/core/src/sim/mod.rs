//! A board in virtual time: the scheduler of the pipeline, driven by predicted times instead of devices.
//!
//! Nothing here reads a clock or starts a thread. What an execution costs alone, how far engines that share the DRAM
//! slow each other down, and what the runtime adds come from [`Costs`].

mod costs;
mod devices;
mod driver;
mod error;
mod lane;
mod noise;
#[cfg(any(test, feature = "testing"))]
mod off;
mod online;
mod search;
mod stream;
mod sweep;

pub use costs::{Costs, ExecutionCost, HostCosts, Load};
pub use devices::Use;
pub use driver::{Flow, SimulatedRun, simulate};
pub use error::SimError;
pub use noise::Noise;
#[cfg(any(test, feature = "testing"))]
pub use off::Off;
pub use online::{AnsweredItem, SimulatedStream, simulate_stream, stream_lanes};
pub use stream::{Arrival, Arriving, arrivals, crossover};
pub use sweep::{Choice, DevicePoint, EQUAL, Network, Point, best, sweep};
