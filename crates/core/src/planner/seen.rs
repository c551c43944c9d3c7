//! What one kind of execution was seen to take.

/// Longest execution that is believed, in microseconds: an hour.
const LONGEST_US: f64 = 3.6e9;

/// Least weight of the newest batch: a change of speed is half taken over after five batches, and most of it after ten.
const NEWEST: f64 = 0.125;

/// A batch that is off by more than this is a change of speed, if the next one is too.
const JUMP: f64 = 0.2;

/// Relative deviation of single executions that is assumed until there are several.
const DEVIATION: f64 = 0.05;

/// Mean and spread of the times of one kind of execution, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeenTimes {
    pub us: f64,
    /// Variance of single executions, relative to the mean.
    pub variance: f64,
    /// Executions that the mean stands for.
    pub count: f64,
    /// Batches that it was seen in.
    pub batches: u32,
    /// How many batches in a row were off by a jump, up or down.
    pub(super) strikes: i8,
}

/// Whether a time can be one of an execution: finite, above zero, and not absurdly long.
pub(super) fn plausible(us: f64) -> bool {
    us.is_finite() && us > 0.0 && us <= LONGEST_US
}

impl SeenTimes {
    /// Of the executions of one batch; `None` when none of them is believed.
    pub fn of(times_us: &[f64]) -> Option<SeenTimes> {
        let times: Vec<f64> = times_us.iter().copied().filter(|t| plausible(*t)).collect();
        let count = times.len() as f64;
        let us = times.iter().sum::<f64>() / count;
        let square = times.iter().map(|t| (t / us - 1.0).powi(2)).sum::<f64>();
        (count > 0.0).then(|| SeenTimes {
            us,
            variance: match times.len() {
                1 => DEVIATION * DEVIATION,
                _ => square / (count - 1.0),
            },
            count,
            batches: 1,
            strikes: 0,
        })
    }

    /// Figures of an earlier process, sound or not.
    pub fn kept(us: f64, variance: f64, count: f64, batches: u32) -> SeenTimes {
        SeenTimes {
            us,
            variance,
            count,
            batches,
            strikes: 0,
        }
    }

    /// Whether these figures can be used, wherever they are from.
    pub fn is_sound(&self) -> bool {
        let spread = self.variance.is_finite() && (0.0..=1e6).contains(&self.variance);
        plausible(self.us) && spread && self.count.is_finite() && self.count >= 1.0
    }

    /// Takes in one more batch; by which factor the speed has changed for good, if it has.
    pub fn add(&mut self, new: SeenTimes) -> Option<f64> {
        let ratio = new.us / self.us;
        // The first execution of an engine warms it up.
        if self.batches == 1 && ratio < 1.0 / (1.0 + JUMP) {
            *self = SeenTimes { batches: 2, ..new };
            return None;
        }
        let off = i8::from(!(1.0 / (1.0 + JUMP)..=1.0 + JUMP).contains(&ratio));
        let direction = if ratio > 1.0 { off } else { -off };
        let again = direction != 0 && self.strikes == direction;
        self.strikes = direction;
        if again {
            *self = new;
            return Some(ratio);
        }
        if direction != 0 {
            // One batch that is far off may have met something else that the machine did.
            return None;
        }
        let weight = (1.0 / f64::from(self.batches + 1)).max(NEWEST);
        let jump = (ratio - 1.0).powi(2);
        self.variance += weight * (new.variance.max(jump) - self.variance);
        self.us += weight * (new.us - self.us);
        self.count = (self.count + new.count).min(new.count / NEWEST);
        self.batches = self.batches.saturating_add(1);
        None
    }

    /// Standard error of the mean, relative to it.
    pub fn error(&self) -> f64 {
        (self.variance / self.count).sqrt()
    }
}
