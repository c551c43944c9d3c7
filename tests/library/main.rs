//! The library as a user of the crate meets it.

mod boards;
mod broken_server;
#[path = "../cli_support/mod.rs"]
mod cli_support;
mod promises;
#[path = "../promises_support/mod.rs"]
mod promises_support;
#[path = "../random_support/mod.rs"]
mod random_support;
mod rows;
mod search_zoo;
mod simulated_stream;
