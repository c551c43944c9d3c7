//! Energy: power, sampled while something runs.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::sensor::{Sensor, SensorError};

/// Time between two samples. The monitors average over some milliseconds themselves.
const PAUSE: Duration = Duration::from_millis(5);

/// Samples a sensor in a thread of its own.
pub struct Meter {
    sensor: Arc<Sensor>,
}

/// What something took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Energy {
    pub joules: f64,
    pub seconds: f64,
}

impl Energy {
    /// On average.
    pub fn watts(&self) -> f64 {
        self.joules / self.seconds
    }
}

/// A moment in seconds, and the watts then.
type Sample = (f64, f64);

impl Meter {
    pub fn new(sensor: Sensor) -> Meter {
        Meter {
            sensor: Arc::new(sensor),
        }
    }

    /// Runs `work`, and says what the board took meanwhile. Power is read before it, after it and every few milliseconds.
    ///
    /// # Errors
    /// A sensor that cannot be read any more.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> Result<(T, Energy), SensorError> {
        let (stop, samples) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let start = Instant::now();
        let sample = || -> Result<(), SensorError> {
            let watts = self.sensor.watts()?;
            let at = start.elapsed().as_secs_f64();
            let mut samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
            samples.push((at, watts));
            Ok(())
        };
        sample()?;
        let (done, sampled) = thread::scope(|scope| {
            let sampling = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    sleep(PAUSE);
                    sample()?;
                }
                Ok(())
            });
            let done = (work(), start.elapsed().as_secs_f64());
            stop.store(true, Ordering::Relaxed);
            let sampled = sampling.join();
            (done, sampled.unwrap_or_else(|panic| resume_unwind(panic)))
        });
        sampled?;
        let (result, seconds) = done;
        let samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
        // The last sample comes a moment after the end.
        let joules = mean(&samples) * seconds;
        Ok((result, Energy { joules, seconds }))
    }

    pub fn describe(&self) -> String {
        self.sensor.describe()
    }
}

/// The mean of the line through at least two samples.
fn mean(samples: &[Sample]) -> f64 {
    let parts = samples.windows(2).map(|pair| {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        (to - from) * (before + after) / 2.0
    });
    let at = |sample: Option<&Sample>| sample.map_or(0.0, |(at, _)| *at);
    parts.sum::<f64>() / (at(samples.last()) - at(samples.first()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_the_mean_of_the_line_through_the_samples() {
        for (samples, watts, why) in [
            (&[(0.0, 5.0), (2.0, 5.0)][..], 5.0, "constant"),
            (&[(1.0, 0.0), (3.0, 10.0)], 5.0, "rising"),
            (
                &[(0.0, 2.0), (1.0, 2.0), (1.5, 4.0), (2.0, 4.0)],
                2.75,
                "uneven samples",
            ),
        ] {
            assert_eq!(mean(samples), watts, "{why}");
        }
    }
}
