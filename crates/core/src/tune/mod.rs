//! Finds the best plan: by a model of the board, by measurement, or from a table of measured times.
//!
//! Pure: times come from [`crate::sim::Costs`], from a table, or from a closure that measures.

pub mod measure;
pub mod profile;
mod report;
pub mod search;
mod sites;

pub use report::{Row, TuneReport};
pub use sites::{Site, Sites};
