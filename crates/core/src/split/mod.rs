//! Which nodes a DLA may run, and the cut into a prefix for every device and a suffix for the GPU.

mod cut;
mod expr;
mod facts;
#[cfg(test)]
mod layer_tests;
mod parse;
mod points;
mod report;
mod rules;
#[cfg(test)]
mod table_tests;
mod target;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

pub use cut::{OutputSource, Side, SplitError, Stages, SuffixInput, cut};
#[cfg(feature = "testing")]
pub use facts::layer_names;
pub use points::{CutPoint, cut_after, cuts};
pub use report::{EndReport, NodeReport, Report, SideReport, TensorReport, report};
#[cfg(feature = "testing")]
pub use rules::{Rule, rules};
pub use target::{Chip, DlaTarget, Precision, Version};
pub use verdict::{GpuReason, Verdict, batch_limit, internal_row_bytes, platform_limit, verdict};
