//! tvm-dla: run a TVM-compiled CNN on the GPU and both DLA cores of an NVIDIA Jetson at the same time.

pub mod accuracy;
pub mod artifact;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
pub mod machine;
pub mod pipeline;
pub mod quantise;
pub mod relay;
#[cfg(feature = "serve")]
pub mod serve;
pub mod session;
pub mod tvm;

pub use tvm_dla_core::{
    board, bundle, calibrate, canon, graph, lower, plan, planner, report, schedule, sim, split,
    trace, tune,
};
