//! Models that were quantised before TVM: `qnn.quantize` and `qnn.dequantize` as float32 with ranges, and which scales of
//! the other `qnn` operators can be read.
//!
//! The Python bridge spells quantised operators out as float32 operators between `qnn.dequantize` and `qnn.quantize`
//! wherever [`check_scales`] lets it; here the two are read as nothing but knowledge of the tensor between them.

mod constant;
mod follow;
mod forms;
mod place;
mod scales;
mod spread;
#[cfg(test)]
mod tests;
mod track;

pub use constant::constant;
pub use forms::check_scales;
pub(super) use place::{Place, is_input_transpose, supported};
pub(super) use track::Track;
