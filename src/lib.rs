//! tvm-dla: run a TVM-compiled CNN on the GPU and both DLA cores of an NVIDIA Jetson at the same time.

pub mod accuracy;
pub mod artifact;
pub mod board;
pub mod bundle;
pub mod calibrate;
pub mod canon;
pub mod cli;
pub mod engine;
pub mod graph;
pub mod lower;
pub mod machine;
pub mod pipeline;
pub mod plan;
pub mod planner;
pub mod quantise;
pub mod relay;
pub mod report;
pub mod schedule;
pub mod serve;
pub mod session;
pub mod sim;
pub mod split;
pub mod trace;
pub mod tune;
pub mod tvm;
