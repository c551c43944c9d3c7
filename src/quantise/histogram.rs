//! How often each magnitude occurs, in bounded memory and whatever the order of the data.

/// Bins of a histogram.
pub const BINS: usize = 2048;

/// Where the bins of an empty histogram end: 2^-100, below any magnitude that has an INT8 scale.
const SMALLEST_END: f32 = f32::from_bits(27 << 23);

/// Elements whose bins are worked out at a time.
const CHUNK: usize = 1024;

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
        let (max, zeros) = extremes(values);
        if !max.is_finite() {
            let at = values.iter().position(|v| !v.is_finite());
            return Err(NotFinite(at.unwrap_or(0)));
        }
        self.max = self.max.max(max);
        self.count += values.len() as u64;
        self.zeros += zeros;
        self.widen();
        let scale = BINS as f32 / self.end;
        // Several tables, because equal neighbours would wait for each other's increments.
        let mut tables = vec![[0u32; BINS]; 4];
        for chunk in values.chunks(u32::MAX as usize / 2) {
            tables.iter_mut().for_each(|table| table.fill(0));
            count(chunk, scale, &mut tables);
            for table in &tables {
                for (bin, more) in self.bins.iter_mut().zip(table) {
                    *bin += u64::from(*more);
                }
            }
        }
        Ok(())
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

    fn widen(&mut self) {
        while self.end <= self.max {
            // An empty histogram takes any width.
            if self.bins.iter().any(|count| *count > 0) {
                for at in 0..BINS / 2 {
                    self.bins[at] = self.bins[2 * at] + self.bins[2 * at + 1];
                }
                self.bins[BINS / 2..].fill(0);
            }
            self.end *= 2.0;
        }
    }
}

/// The largest magnitude, infinite or NaN when an element is, and the number of zeros.
fn extremes(values: &[f32]) -> (f32, u64) {
    let (mut largest, mut zeros) = (0u32, 0u64);
    for chunk in values.chunks(CHUNK) {
        let (mut lanes, mut empty) = ([0u32; 16], [0u32; 16]);
        let mut rows = chunk.chunks_exact(16);
        for row in &mut rows {
            for (at, value) in row.iter().enumerate() {
                // Without its sign bit, a float's bits order as its magnitude, with NaN above infinity.
                let bits = value.to_bits() & 0x7fff_ffff;
                lanes[at] = lanes[at].max(bits);
                empty[at] += u32::from(bits == 0);
            }
        }
        let rest = rows.remainder().iter();
        let rest = rest.map(|v| v.to_bits() & 0x7fff_ffff);
        zeros += rest.clone().filter(|bits| *bits == 0).count() as u64;
        zeros += empty.iter().map(|n| u64::from(*n)).sum::<u64>();
        largest = rest.chain(lanes).fold(largest, u32::max);
    }
    (f32::from_bits(largest), zeros)
}

/// `scale` is a power of two, so that products are exact and bins do not depend on when they were counted.
fn count(values: &[f32], scale: f32, tables: &mut [[u32; BINS]]) {
    let mut places = [0u16; CHUNK];
    let [a, b, c, d] = tables else {
        unreachable!("there are four tables")
    };
    for chunk in values.chunks(CHUNK) {
        for (place, value) in places.iter_mut().zip(chunk) {
            *place = (value.abs() * scale) as i32 as u16;
        }
        let mut quads = places[..chunk.len()].chunks_exact(4);
        for quad in &mut quads {
            a[usize::from(quad[0]) % BINS] += 1;
            b[usize::from(quad[1]) % BINS] += 1;
            c[usize::from(quad[2]) % BINS] += 1;
            d[usize::from(quad[3]) % BINS] += 1;
        }
        for place in quads.remainder() {
            a[usize::from(*place) % BINS] += 1;
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
