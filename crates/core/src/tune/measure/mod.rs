//! Tuning by measurement: what was measured, in a log that survives interruption; costs for the simulator from it; and a
//! race of the best plans. Pure: who measures and where the log lies is told from outside.

mod costs;
mod log;
mod race;
#[cfg(test)]
mod tests;

pub use costs::MeasuredCosts;
pub use log::{Entry, Head, Log, LogError, read};
pub use race::{Race, Standing};
