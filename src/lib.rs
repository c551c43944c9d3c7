//! Run a CNN that Apache TVM compiled on the GPU and both DLA cores of an NVIDIA Jetson at the same time.
//!
//! `tvmc-dla compile` writes an artifact; a [`Session`] runs it, with any number of rows:
//!
//! ```no_run
//! use tvm_dla::{Array, Session};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::load("mobilenet.tar")?;
//! println!("{}", session.describe()); // the network, its stages, and what its devices are
//! let images = Array {
//!     shape: vec![8, 3, 224, 224],
//!     data: vec![0.0; 8 * 3 * 224 * 224].into(),
//! };
//! let outcome = session.run(&[images])?;
//! let scores = &outcome.outputs[0]; // rows in the order of the images
//! println!("{:?} by {}, {}", scores.shape, outcome.plan, outcome.origin);
//! # Ok(())
//! # }
//! ```
//!
//! [`Session::load`] takes TensorRT where its library and a GPU are, and else emulates every device on the CPU;
//! [`Session::load_emulated`] always does. With a [`SessionConfig`] of your own, a [`Backend`] and a [`Bundle`] go into
//! [`Session::from_bundle`]:
//!
//! ```no_run
//! use std::{path::Path, sync::Arc};
//! use tvm_dla::engine::cpu::{find_library, CpuBackend, CpuOptions};
//! use tvm_dla::session::default_search;
//! use tvm_dla::{Artifact, Device, Session, SessionConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let artifact = Artifact::read(Path::new("mobilenet.tar"))?;
//! let backend = CpuBackend::new(CpuOptions {
//!     library: find_library(&default_search())?,
//!     threads_per_device: 2,
//!     devices: vec![Device::Gpu, Device::Dla(0)],
//! })?;
//! let config = SessionConfig {
//!     plan: Some("gpu=4x2,dla0=4x1,suffix=12".parse()?),
//!     ..SessionConfig::default()
//! };
//! let session = Session::from_bundle(artifact.network()?.clone(), Arc::new(backend), config)?;
//! # Ok(())
//! # }
//! ```
//!
//! Items that arrive one by one go through [`Session::stream`]. A network is predicted on a board without the board by
//! [`sim::simulate`] with [`board::BoardCosts`]. The folder `examples` has whole programs.
//!
//! # Where to look
//!
//! | | |
//! |---|---|
//! | [`session`], [`artifact`], [`engine`], [`pipeline`], [`serve`] | run: from a file to outputs |
//! | [`plan`], [`planner`], [`tune`], [`sim`], [`board`] | which device takes what, and what that costs |
//! | [`graph`], [`canon`], [`split`], [`lower`], [`bundle`] | a network, its forms, where its nodes run, its bytes |
//! | [`quantise`], [`accuracy`] | INT8 and FP16 |
//! | [`relay`], [`tvm`] | Relay in, and TVM's C API |
//!
//! # Features
//!
//! `cli` (default) is the command, and `serve` the server; without both this is the library alone.

#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr, clippy::exit))]

pub mod accuracy;
pub mod artifact;
#[cfg(feature = "cli")]
#[allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]
pub mod cli;
pub mod engine;
pub mod machine;
pub mod pipeline;
pub mod quantise;
pub mod relay;
#[cfg(feature = "serve")]
pub mod serve;
pub mod session;
#[allow(unsafe_code)]
pub mod tvm;

pub use tvm_dla_core::{
    board, bundle, canon, fit, graph, lower, plan, planner, report, schedule, sim, split, trace, tune,
};

pub use artifact::Artifact;
pub use bundle::Bundle;
pub use engine::{Array, Backend};
pub use plan::{Device, Plan};
pub use session::{Outcome, Session, SessionConfig, SessionError, StreamConfig};

/// What the documents show in Rust compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/adding_a_backend.md")]
mod documents {}
