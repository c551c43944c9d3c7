//! How often each magnitude occurs, in bounded memory and whatever the order of the data.

use super::tables::{Tables, largest};

/// Bins of a histogram.
pub const BINS: usize = 2048;

/// Where the bins of an empty histogram end: 2^-100, below any magnitude that has an INT8 scale.
const SMALLEST_END: f32 = f32::from_bits(27 << 23);

/// Counts of magnitudes in bins of equal width, from zero on. The bins end at a power of two above the largest
/// magnitude: they double in width, merged in pairs, when larger data come, so that counts do not depend on order.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    bins: Vec<u64>,
    /// Where the last bin ends.
    end: f32,
    max: f32,
    count: u64,
    zeros: u64,
}

/// An element that is no number, by its place in what was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFinite(pub usize);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            bins: vec![0; BINS],
            end: SMALLEST_END,
            max: 0.0,
            count: 0,
            zeros: 0,
        }
    }
}

impl Histogram {
    /// Counts every element.
    ///
    /// # Errors
    /// [`NotFinite`] for infinities and NaN; nothing is counted then.
    pub fn add(&mut self, values: &[f32]) -> Result<(), NotFinite> {
        let tables = loop {
            match Tables::of(values, BINS as f32 / self.end) {
                Some(tables) => break tables,
                // Something lies beyond the last bin, which happens once for data of any size.
                None => self.widen(largest(values)?),
            }
        };
        self.max = self.max.max(tables.max);
        self.count += values.len() as u64;
        self.zeros += tables.zeros;
        for (bin, more) in self.bins.iter_mut().zip(tables.bins()) {
            *bin += more;
        }
        Ok(())
    }

    /// Counts what `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        let mut other = other.clone();
        other.widen(self.max);
        self.widen(other.max);
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.zeros += other.zeros;
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            *bin += more;
        }
    }

    /// The largest magnitude.
    pub fn max(&self) -> f32 {
        self.max
    }

    /// Elements counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Elements that are exactly zero, which any scale represents; the first bin holds them too.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Width of one bin.
    pub fn width(&self) -> f32 {
        self.end / BINS as f32
    }

    /// The bins up to that of the largest magnitude.
    pub fn bins(&self) -> &[u64] {
        let used = self.bins.iter().rposition(|count| *count > 0);
        &self.bins[..used.map_or(0, |last| last + 1)]
    }

    /// Doubles the width of the bins until they hold `max`.
    fn widen(&mut self, max: f32) {
        while self.end <= max {
            // An empty histogram takes any width.
            if self.count > 0 {
                for at in 0..BINS / 2 {
                    self.bins[at] = self.bins[2 * at] + self.bins[2 * at + 1];
                }
                self.bins[BINS / 2..].fill(0);
            }
            self.end *= 2.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 7919 % 10007) as f32 / 10007.0 - 0.5) * (i % 37) as f32;
        (0..len).map(value).collect()
    }

    fn of<'a>(parts: impl IntoIterator<Item = &'a [f32]>) -> Histogram {
        let mut histogram = Histogram::default();
        for part in parts {
            histogram.add(part).unwrap();
        }
        histogram
    }

    #[test]
    fn every_magnitude_is_counted_in_its_bin() {
        let values = values(5003);
        let histogram = of([&values[..]]);
        let mut want = vec![0u64; BINS];
        for value in &values {
            want[(value.abs() / histogram.width()) as usize] += 1;
        }
        let used = histogram.bins().len();
        assert_eq!(histogram.bins(), &want[..used]);
        assert_eq!(want[used..].iter().sum::<u64>(), 0);
        assert_eq!(histogram.count(), 5003);
        let zeros = values.iter().filter(|v| **v == 0.0).count();
        assert!(zeros > 100 && histogram.zeros() == zeros as u64);
        let max = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert_eq!(histogram.max(), max);
        let end = histogram.width() * BINS as f32;
        assert!(max < end && end <= 2.0 * max, "{max} of {end}");
    }

    #[test]
    fn order_and_batches_do_not_matter() {
        let values = values(4000);
        let whole = of([&values[..]]);
        assert_eq!(of(values.chunks(7)), whole, "growing step by step");
        let mut backwards = values.clone();
        backwards.reverse();
        assert_eq!(of(backwards.chunks(1000)), whole);
    }

    #[test]
    fn parts_counted_apart_add_up() {
        let values = values(4000);
        let whole = of([&values[..]]);
        let small: Vec<f32> = values.iter().map(|v| v / 1000.0).collect();
        for (first, second, why) in [
            (&values[..1234], &values[1234..], "of one magnitude"),
            (&values[..], &[], "nothing to add"),
            (&[], &values[..], "nothing there"),
        ] {
            let mut merged = of([first]);
            merged.merge(&of([second]));
            assert_eq!(merged, whole, "{why}");
        }
        let both = of([&small[..], &values[..]]);
        let mut merged = of([&values[..]]);
        merged.merge(&of([&small[..]]));
        assert_eq!(merged, both, "finer bins into coarser ones");
        merged = of([&small[..]]);
        merged.merge(&whole);
        assert_eq!(merged, both, "and the other way round");
    }

    #[test]
    fn what_is_no_number_is_found() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
            let mut values = values(100);
            values[42] = bad;
            let mut histogram = Histogram::default();
            assert_eq!(histogram.add(&values), Err(NotFinite(42)), "{bad}");
            assert_eq!(histogram, Histogram::default());
        }
    }

    #[test]
    fn extremes_stay_in_the_bins() {
        for (value, why) in [
            (0.0, "nothing but zeros"),
            (f32::MIN_POSITIVE / 4.0, "subnormal"),
            (1.0, "a power of two begins its bin"),
            (f32::MAX, "the largest"),
        ] {
            let histogram = of([&[value; 9][..]]);
            assert_eq!(histogram.bins().iter().sum::<u64>(), 9, "{why}");
            assert_eq!(histogram.max(), value);
        }
    }
}
