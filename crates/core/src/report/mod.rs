//! Reports for people: self-contained HTML with SVG plots, and the same figures as CSV. Pure: text in memory.

mod arrivals;
mod chart;
mod page;
mod paper;

pub use arrivals::Arrivals;
pub use chart::{Series, Tone, bars, lines};
pub use page::{Page, table};
pub use paper::{Bar, Comparison, Error, PublishedBatch, published};
