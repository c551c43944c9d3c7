//! When items arrive.

use std::time::Duration;

/// Arrivals per second: evenly, or as a seeded Poisson process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    Even(f64),
    Poisson { rate: f64, seed: u64 },
}

impl Pace {
    /// The moments of arrival from the start of a stream, without end.
    pub fn arrivals(self) -> impl Iterator<Item = Duration> {
        let mut at = 0.0;
        (0u64..).map(move |index| {
            let gap = match self {
                Pace::Even(rate) => f64::from(u8::from(index > 0)) / rate,
                Pace::Poisson { rate, seed } => -(1.0 - unit(seed, index)).ln() / rate,
            };
            at += gap;
            Duration::try_from_secs_f64(at).unwrap_or(Duration::MAX)
        })
    }
}

/// Evenly distributed in [0, 1).
fn unit(seed: u64, index: u64) -> f64 {
    (mixed(seed ^ mixed(index.wrapping_add(1))) >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64's output function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
pub(crate) fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
