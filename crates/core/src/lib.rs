//! What tvm-dla decides without a device: networks and their canonical forms, the DLA's rules and the cut, bundles, plans,
//! the scheduler, the simulator, the tuner and the planner.
//!
//! Pure: no I/O, no thread, no clock. The crate `tvm-dla` shows these rooms as its own.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr, clippy::exit))]

pub mod board;
pub mod bundle;
pub mod canon;
pub mod fit;
pub mod graph;
pub mod lower;
pub mod plan;
pub mod planner;
pub mod report;
pub mod schedule;
pub mod sim;
pub mod split;
pub mod trace;
pub mod tune;
