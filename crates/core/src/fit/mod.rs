//! Fits the constants of the board model to published measurements, and says how far its predictions are from them.
//!
//! The model that is fitted is the one that predicts: there is no second implementation.

mod conditions;
mod described;
mod networks;
mod observation;
mod paper;
mod profile;
mod quantity;
mod rows;
mod solver;
mod summary;

pub use networks::network;
pub use observation::{Observation, UnusedRow, observations};
pub use paper::{POINTS, fit_paper, parts as paper_parts, ratio as paper_ratio, setting as paper_setting};
pub use rows::{Row, rows};
pub use solver::fit;
pub use summary::{Errors, calibration, leave_one_source_out, medians};
