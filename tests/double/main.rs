//! The board path on a double of libnvinfer, in the command and in the library.

#[path = "../cli_support/mod.rs"]
mod cli_support;
mod doctor;
#[path = "../double_support/mod.rs"]
mod double_support;
mod int8;
mod path;
mod plans;
mod promises;
#[path = "../promises_support/mod.rs"]
mod promises_support;
#[path = "../random_support/mod.rs"]
mod random_support;
mod without_headers;
