//! Reports for people: self-contained HTML with SVG plots, and the same figures as CSV. Pure: text in memory.

mod arrivals;
mod chart;
mod page;
mod paper;

pub use arrivals::Arrivals;
pub use chart::{bars, lines, Series, Tone};
pub use page::{table, Page};
pub use paper::{published, Bar, Comparison, Error, Published};
