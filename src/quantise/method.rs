//! From a histogram to a range.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// Magnitudes that INT8 tells apart.
const LEVELS: usize = 128;

/// How a range is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Least Kullback-Leibler divergence between the data and what INT8 makes of them: the method of TensorRT's entropy
    /// calibrator, as published at GTC 2017 ("8-bit Inference with TensorRT", S7310), over what is not zero: every scale
    /// represents zeros exactly, and after a ReLU they would outweigh all else.
    Entropy,
    /// The largest magnitude.
    Max,
    /// What this share of the magnitudes, in percent, does not exceed.
    Percentile(f64),
}

impl Method {
    /// The share that is used when none is named.
    pub const PERCENTILE: f64 = 99.99;

    /// The magnitude that 127 stands for; `None` when all data are zero.
    pub fn range(self, histogram: &Histogram) -> Option<f32> {
        let max = histogram.max();
        if max == 0.0 {
            return None;
        }
        let range = match self {
            Method::Max => max,
            Method::Percentile(share) => {
                let bins = percentile(histogram.bins(), share / 100.0);
                bins as f32 * histogram.width()
            }
            Method::Entropy => {
                let mut bins = histogram.bins().to_vec();
                if let Some(first) = bins.first_mut() {
                    *first -= histogram.zeros();
                }
                let bins = least_divergence(&bins, LEVELS);
                (bins as f32 + 0.5) * histogram.width()
            }
        };
        Some(range.min(max))
    }
}

/// The fewest bins from zero on that hold `share` of all counts.
fn percentile(bins: &[u64], share: f64) -> usize {
    let wanted = bins.iter().sum::<u64>() as f64 * share;
    let mut held = 0;
    let enough = bins.iter().position(|count| {
        held += count;
        held as f64 >= wanted
    });
    enough.map_or(bins.len(), |last| last + 1)
}

/// The number of bins, from `levels` on, at which cutting the data off loses least.
///
/// For every candidate the bins below it, with all counts above added to the last of them, are the reference P; the
/// same bins without those counts, joined into `levels` and spread evenly over their non-empty bins again, are Q. The
/// candidate with the least divergence of Q from P wins, the first of equals.
fn least_divergence(bins: &[u64], levels: usize) -> usize {
    let sums = Sums::of(bins);
    let mut best = (f64::INFINITY, bins.len());
    for candidate in levels..=bins.len() {
        let divergence = sums.divergence(bins, candidate, levels);
        if divergence < best.0 {
            best = (divergence, candidate);
        }
    }
    best.1
}

/// Running sums over bins, so that one candidate costs as many steps as there are levels.
struct Sums {
    counts: Vec<f64>,
    /// Of `count * ln(count)`.
    entropy: Vec<f64>,
    filled: Vec<f64>,
}

fn weighted_log(count: f64) -> f64 {
    if count > 0.0 { count * count.ln() } else { 0.0 }
}

impl Sums {
    fn of(bins: &[u64]) -> Sums {
        let running = |of: &dyn Fn(f64) -> f64| {
            let mut sum = 0.0;
            let steps = bins.iter().map(|count| {
                sum += of(*count as f64);
                sum
            });
            std::iter::once(0.0).chain(steps).collect()
        };
        Sums {
            counts: running(&|count| count),
            entropy: running(&weighted_log),
            filled: running(&|count| f64::from(count > 0.0)),
        }
    }

    /// With counts c and outliers o: `sum(p ln p) - sum(p ln q)` over bins, where P adds o to its last bin, p = c / (S
    /// + o) and a level's q is its counts over its non-empty bins over S.
    fn divergence(&self, bins: &[u64], end: usize, levels: usize) -> f64 {
        let (all, kept) = (self.counts[bins.len()], self.counts[end]);
        let outliers = all - kept;
        let last = bins[end - 1] as f64;
        if kept == 0.0 || (last == 0.0 && outliers > 0.0) {
            return f64::INFINITY; // Q is empty where P is not
        }
        let own = self.entropy[end] - weighted_log(last) + weighted_log(last + outliers);
        let mut cross = 0.0;
        for level in 0..levels {
            let (from, to) = (level * end / levels, (level + 1) * end / levels);
            let counts = self.counts[to] - self.counts[from];
            let filled = self.filled[to] - self.filled[from];
            let reference = counts + if to == end { outliers } else { 0.0 };
            if counts > 0.0 {
                cross += reference * (counts / filled).ln();
            }
        }
        (own - cross) / all - all.ln() + kept.ln()
    }
}

impl FromStr for Method {
    type Err = String;

    /// `entropy`, `max`, `percentile` or `percentile=99.9`.
    fn from_str(text: &str) -> Result<Method, String> {
        let share = |share: &str| {
            share
                .parse()
                .ok()
                .filter(|s| (0.0..=100.0).contains(s) && *s > 0.0)
        };
        match text.split_once('=') {
            Some(("percentile", text)) => share(text)
                .map(Method::Percentile)
                .ok_or_else(|| format!("`{text}` is not a percentile above 0 and up to 100")),
            None if text == "percentile" => Ok(Method::Percentile(Method::PERCENTILE)),
            None if text == "entropy" => Ok(Method::Entropy),
            None if text == "max" => Ok(Method::Max),
            _ => Err(format!(
                "`{text}` is not a method: use entropy, max, percentile or percentile=99.9"
            )),
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Method::Entropy => f.write_str("entropy"),
            Method::Max => f.write_str("max"),
            Method::Percentile(share) => write!(f, "percentile={share}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, step by step over distributions.
    fn as_published(bins: &[u64], end: usize, levels: usize) -> f64 {
        let mut p: Vec<f64> = bins[..end].iter().map(|c| *c as f64).collect();
        p[end - 1] += bins[end..].iter().sum::<u64>() as f64;
        let mut q = vec![0.0; end];
        for level in 0..levels {
            let members = level * end / levels..(level + 1) * end / levels;
            let filled: Vec<usize> = members.filter(|at| bins[*at] > 0).collect();
            let sum: f64 = filled.iter().map(|at| bins[*at] as f64).sum();
            filled.iter().for_each(|at| q[*at] = sum / filled.len() as f64);
        }
        let (all, kept): (f64, f64) = (p.iter().sum(), q.iter().sum());
        let pairs = p.iter().zip(&q).filter(|(p, _)| **p > 0.0);
        pairs.map(|(p, q)| p / all * ((p / all) / (q / kept)).ln()).sum()
    }

    /// Two levels over `8 4 2 2 0 1`, worked out by hand.
    ///
    /// Two bins: P = 8 9, Q = 8 4 of 12. `8/17 ln(8/17 * 12/8) + 9/17 ln(9/17 * 12/4)` = -0.1639 + 0.2449 = 0.0810.
    /// Three: levels 8 | 4 2, P = 8 4 5, Q = 8 3 3 of 14:
    /// `8/17 ln(14/17) + 4/17 ln(4/17 * 14/3) + 5/17 ln(5/17 * 14/3)` = -0.0914 + 0.0220 + 0.0931 = 0.0238.
    /// Four: 8 4 | 2 2, P = 8 4 2 3, Q = 6 6 2 2 of 16:
    /// `8/17 ln(8/17 * 16/6) + 4/17 ln(4/17 * 16/6) + 2/17 ln(2/17 * 16/2) + 3/17 ln(3/17 * 16/2)`
    /// = 0.1068 - 0.1097 - 0.0071 + 0.0609 = 0.0509.
    /// Five ends in an empty bin with an outlier behind it. Six: 8 4 2 | 2 0 1: no outliers, Q = 14/3 three times, 3/2
    /// twice: `(8 ln(8*3/14) + 4 ln(4*3/14) + 2 ln(2*3/14) + 2 ln(4/3) + ln(2/3)) / 17` = 0.1276.
    #[test]
    fn the_divergence_worked_out_by_hand() {
        let bins = [8, 4, 2, 2, 0, 1];
        let sums = Sums::of(&bins);
        let hand = [(2, 0.0810), (3, 0.0238), (4, 0.0509), (6, 0.1276)];
        for (end, want) in hand {
            let got = sums.divergence(&bins, end, 2);
            assert!((got - want).abs() < 1e-4, "{end} bins: {got}, by hand {want}");
            let published = as_published(&bins, end, 2);
            assert!((got - published).abs() < 1e-12, "{end} bins: {published}");
        }
        assert_eq!(sums.divergence(&bins, 5, 2), f64::INFINITY);
        assert_eq!(least_divergence(&bins, 2), 3);
    }

    #[test]
    fn running_sums_change_nothing() {
        let mut bins: Vec<u64> = (0..300u64).map(|i| 1000 * (300 - i) / (i + 3)).collect();
        bins[7] = 0;
        bins[250] = 0;
        bins[290] = 40;
        let sums = Sums::of(&bins);
        for end in (LEVELS..=300).filter(|end| bins[end - 1] > 0) {
            let (got, want) = (
                sums.divergence(&bins, end, LEVELS),
                as_published(&bins, end, LEVELS),
            );
            assert!((got - want).abs() < 1e-9, "{end} bins: {got}, published {want}");
        }
    }

    /// An exponential distribution: its tail is cut off where that costs less than coarser steps for the rest.
    #[test]
    fn entropy_cuts_a_long_tail_off_and_ignores_zeros() {
        let value = |i: usize| -(1.0 - i as f64 / 100_000.0).ln() as f32;
        let values: Vec<f32> = (0..100_000).map(value).collect();
        let range = |zeros: usize| {
            let mut histogram = Histogram::default();
            histogram.add(&values).unwrap();
            histogram.add(&vec![0.0; zeros]).unwrap();
            (Method::Entropy.range(&histogram).unwrap(), histogram.max())
        };
        let (cut, max) = range(0);
        assert!((0.4 * max..0.95 * max).contains(&cut), "{cut} of {max}");
        assert_eq!(range(1_000_000), (cut, max));
    }

    #[test]
    fn methods_choose_what_they_say() {
        let mut histogram = Histogram::default();
        assert_eq!(Method::Max.range(&histogram), None, "nothing but zeros");
        let mut values: Vec<f32> = (0..9999).map(|i| i as f32 / 10000.0).collect();
        values.push(-50.0);
        histogram.add(&values).unwrap();
        assert_eq!(Method::Max.range(&histogram), Some(50.0));
        let share = Method::Percentile(99.99).range(&histogram).unwrap();
        assert!((1.0..1.0 + 2.0 * histogram.width()).contains(&share), "{share}");
        assert_eq!(Method::Percentile(100.0).range(&histogram), Some(50.0));
        let text = |method: Method| method.to_string().parse();
        for method in [Method::Entropy, Method::Max, Method::Percentile(99.5)] {
            assert_eq!(text(method), Ok(method));
        }
        for bad in ["kl", "percentile=0", "percentile=101", "percentile=x", "max=1"] {
            assert!(bad.parse::<Method>().is_err(), "{bad}");
        }
    }
}
