//! A race of plans on a noisy machine: they run in turn, so that a slow moment hurts all alike, and one that is clearly
//! slower than the best drops out.

/// Runs of every plan before any drops out: the range of 5 samples holds the median 15 times of 16.
const LEAST: usize = 5;

/// A race by the seconds that runs take.
#[derive(Debug, Clone)]
pub struct Race {
    samples: Vec<Vec<f64>>,
    /// Half the width of the interval, over the median, that is small enough.
    target: f64,
    /// Runs of one plan after which it ends in any case.
    most: usize,
}

/// What is known of one plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    pub runs: usize,
    pub median: f64,
    /// The interval that holds the median 19 times of 20.
    pub low: f64,
    pub high: f64,
    /// The longest run.
    pub worst: f64,
}

impl Race {
    pub fn new(plans: usize, target: f64, most: usize) -> Race {
        Race {
            samples: vec![Vec::new(); plans],
            target,
            most: most.max(LEAST),
        }
    }

    /// Takes the time of one run of plan `at`.
    pub fn record(&mut self, at: usize, seconds: f64) {
        self.samples[at].push(seconds);
    }

    /// The plan to run next: of those still in the race, the one with the fewest runs. `None` at the end.
    pub fn next(&self) -> Option<usize> {
        let open = self.open();
        let least = open.iter().map(|at| self.samples[*at].len()).min()?;
        open.into_iter().find(|at| self.samples[*at].len() == least)
    }

    /// Runs that are left at most.
    pub fn left(&self) -> usize {
        let left = |at: usize| self.most.saturating_sub(self.samples[at].len());
        self.open().into_iter().map(left).sum()
    }

    fn open(&self) -> Vec<usize> {
        let all = 0..self.samples.len();
        if self.samples.iter().any(|samples| samples.len() < LEAST) {
            return all.filter(|at| self.samples[*at].len() < LEAST).collect();
        }
        let standings = self.standings();
        let best = standings.iter().map(|s| s.high).fold(f64::INFINITY, f64::min);
        let rivals: Vec<usize> = all.filter(|at| standings[*at].low <= best).collect();
        let wide = |at: &usize| {
            let Standing {
                median, low, high, ..
            } = standings[*at];
            (high - low) / 2.0 > self.target * median && self.samples[*at].len() < self.most
        };
        rivals.into_iter().filter(wide).collect()
    }

    /// Of every plan that ran, in the order of the plans.
    pub fn standings(&self) -> Vec<Standing> {
        self.samples.iter().map(|samples| standing(samples)).collect()
    }

    /// The plan with the least median.
    pub fn winner(&self) -> Option<usize> {
        let standings = self.standings();
        let ran = (0..standings.len()).filter(|at| standings[*at].runs > 0);
        ran.min_by(|a, b| standings[*a].median.total_cmp(&standings[*b].median))
    }

    /// By how much the later half of the runs took longer than the earlier one, over all plans: 0.05 is 5 %.
    pub fn drift(&self) -> f64 {
        let ratios = self.samples.iter().filter(|s| s.len() >= LEAST).map(|samples| {
            let (early, late) = samples.split_at(samples.len() / 2);
            standing(late).median / standing(early).median
        });
        let ratios: Vec<f64> = ratios.collect();
        if ratios.is_empty() {
            0.0
        } else {
            standing(&ratios).median - 1.0
        }
    }
}

/// The interval comes from the ranks that hold the median by the binomial distribution, in its normal approximation.
fn standing(samples: &[f64]) -> Standing {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 {
        return Standing {
            runs: 0,
            median: f64::INFINITY,
            low: f64::INFINITY,
            high: f64::INFINITY,
            worst: f64::INFINITY,
        };
    }
    let middle = n as f64 / 2.0;
    let reach = 0.98 * (n as f64).sqrt();
    let low = (middle - reach).floor().max(0.0) as usize;
    let high = ((middle + reach).ceil() as usize).min(n) - 1;
    Standing {
        runs: n,
        median: (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
        low: sorted[low],
        high: sorted[high],
        worst: sorted[n - 1],
    }
}
