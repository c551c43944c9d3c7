//! The range that a method chooses for one tensor, with a remark where the method alone would not do.

use super::Method;
use super::histogram::{BINS, Histogram};
use crate::engine::Ranges;

/// Values other than zero that the entropy of a histogram can be told from: one for each of its bins.
const ENOUGH: u64 = BINS as u64;

/// A range that keeps less than this share of what was seen is worth a second look.
const SMALL: f32 = 0.5;

/// A range, and what is remarkable about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub range: f32,
    pub remark: Option<Remark>,
}

/// Why a range is not simply what the method says, or why to look at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Remark {
    /// The tensor is zero throughout, and any scale represents it.
    Zero,
    /// Too few values for an entropy: the largest magnitude is the range.
    Few { values: u64 },
    /// The entropy would keep this share, and clipping the rest would cost more than coarser steps: the largest magnitude
    /// is the range.
    Costly { kept: f32 },
    /// The range keeps this share of the largest magnitude.
    Small { kept: f32 },
}

impl Method {
    /// The range for what `histogram` counted; `None` when all of it is zero.
    ///
    /// An entropy is no guide where there are few values, and none to what a clipped value costs: in both cases the
    /// largest magnitude is taken instead.
    pub fn choose(self, histogram: &Histogram) -> Option<Choice> {
        let range = self.range(histogram)?;
        let max = histogram.max();
        let (values, kept) = (histogram.count() - histogram.zeros(), range / max);
        let of = |range, remark| Some(Choice { range, remark });
        match self {
            Method::Entropy if values < ENOUGH => of(max, Some(Remark::Few { values })),
            Method::Entropy if kept < SMALL && clipping_costs_more(histogram, range) => {
                of(max, Some(Remark::Costly { kept }))
            }
            Method::Entropy | Method::Percentile(_) if kept < SMALL => {
                of(range, Some(Remark::Small { kept }))
            }
            Method::Entropy | Method::Percentile(_) | Method::Max => of(range, None),
        }
    }
}

/// Whether cutting magnitudes off at `range` leaves more error, in squares, than steps wide enough for all of them.
fn clipping_costs_more(histogram: &Histogram, range: f32) -> bool {
    let width = f64::from(histogram.width());
    let bins = histogram.bins().iter().enumerate();
    let clipped: f64 = bins
        .map(|(bin, count)| {
            let beyond = (bin as f64 + 0.5) * width - f64::from(range);
            *count as f64 * beyond.max(0.0).powi(2)
        })
        .sum();
    let values = (histogram.count() - histogram.zeros()) as f64;
    let rounded = |range: f32| values * f64::from(range / Ranges::STEPS).powi(2) / 12.0;
    clipped + rounded(range) > rounded(histogram.max())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(values).unwrap();
        histogram
    }

    /// `count` values from 0 to 1, denser towards zero.
    fn small(count: usize) -> Vec<f32> {
        let value = |i: usize| (i as f32 / count as f32).powi(3);
        (1..=count).map(value).collect()
    }

    #[test]
    fn entropy_gives_way_to_the_maximum_where_it_is_no_guide() {
        let with = |count: usize, more: &[f32]| of(&[small(count), more.to_vec()].concat());
        let large: Vec<f32> = (0..=40).map(|i| 5.0 + i as f32 / 10.0).collect();
        let cases = [
            (with(20, &[-9.0]), 9.0, "few", "twenty outputs of a classifier"),
            (
                of(&[vec![0.0; 10_000], small(20)].concat()),
                1.0,
                "few",
                "zeros are no values",
            ),
            (with(4000, &large), 9.0, "costly", "one in a hundred is large"),
            (
                with(200_000, &[3.0]),
                1.0,
                "small",
                "a single outlier in many is worth clipping",
            ),
        ];
        for (histogram, want, kind, why) in cases {
            let Choice { range, remark } = Method::Entropy.choose(&histogram).unwrap();
            let got = match remark {
                Some(Remark::Few { .. }) => "few",
                Some(Remark::Costly { .. }) => "costly",
                Some(Remark::Small { .. }) => "small",
                Some(Remark::Zero) => "zero",
                None => "none",
            };
            assert_eq!(got, kind, "{why}: {range}, {remark:?}");
            assert!((range / want - 1.0).abs() < 0.2, "{why}: {range} and not {want}");
        }
    }

    #[test]
    fn other_methods_do_as_they_say() {
        let few = of(&[1.0, -9.0]);
        let choice = Method::Max.choose(&few).unwrap();
        assert_eq!(
            choice,
            Choice {
                range: 9.0,
                remark: None
            }
        );
        let many = of(&[small(4000), vec![9.0]].concat());
        let choice = Method::Percentile(99.0).choose(&many).unwrap();
        assert!(choice.range < 1.1, "{choice:?}");
        assert!(matches!(choice.remark, Some(Remark::Small { .. })), "{choice:?}");
        assert_eq!(Method::Max.choose(&of(&[0.0; 9])), None);
    }
}
