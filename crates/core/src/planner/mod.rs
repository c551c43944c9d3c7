//! Which plan a batch gets, from what executions take: predicted by a board's model, measured before, or measured as it runs.
//!
//! [`Rates`] knows the times, [`Terms`] what plans have to respect, [`Deal`] makes the plan of any batch from both in less
//! than a millisecond, and [`Planner`] learns from every batch and changes plans between batches. Pure: no clock, no file.

mod balance;
mod build;
mod choose;
mod compare;
mod course;
mod curve;
mod deal;
mod estimate;
mod forecast;
mod frame;
mod lane;
mod learn;
mod offer;
mod rates;
mod seen;
mod sizes;
mod terms;
#[cfg(test)]
mod tests;
mod time;
mod trial;

pub use choose::Source;
pub use deal::Deal;
pub use estimate::Estimate;
pub use forecast::Forecast;
pub use frame::Frame;
pub use learn::{BatchRun, Planner};
pub use offer::{Engine, Offer};
pub use rates::{Kind, Rates};
pub use seen::SeenTimes;
pub use terms::Terms;
