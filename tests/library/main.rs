//! The library as a user of the crate meets it.

mod boards;
mod broken_server;
#[path = "../cli_support/mod.rs"]
mod cli_support;
mod promises;
mod rows;
mod search_zoo;
mod simulated_stream;
