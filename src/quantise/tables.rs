//! Counting in one pass over the data.
//!
//! Calibration sees every element of every tensor, so this loop is what it costs over plain inference: bins are worked
//! out for many elements at a time, in arithmetic that a processor does on vectors, and only the increments are scalar.

use multiversion::multiversion;

use super::histogram::{BINS, NotFinite};

/// Elements whose bins are worked out at a time.
const CHUNK: usize = 1024;

/// Elements side by side in a vector, or in a few of them.
const LANES: usize = 16;

/// Added to a scaled magnitude below [`BINS`], the bin stands in the sum's mantissa, above [`FRACTION`] bits.
const BASE: f32 = BINS as f32;
const BASE_EXPONENT: u32 = BASE.to_bits() >> 23;
const FRACTION: u32 = 23 - BINS.ilog2();

/// Bits of a magnitude that decide its bin: with more of them, the sum could round up into the next one.
const DECISIVE: u32 = !((1 << FRACTION) - 1);

/// The bins, and from [`BINS`] on one place per lane for zeros: many follow each other after a ReLU, and increments of
/// one place wait for each other.
const PLACES: usize = 2 * BINS;

/// For the same reason neighbours are counted in two tables.
type Counts = [[u32; PLACES]; 2];

/// What lies in which bin.
pub struct Tables {
    counts: Box<Counts>,
    /// Counts of parts that are too long for 32 bits.
    bins: Vec<u64>,
    pub zeros: u64,
    pub max: f32,
}

impl Tables {
    /// Bins of width `1 / scale`, a power of two; `None` when an element lies beyond the last one or is no number.
    pub fn of(values: &[f32], scale: f32) -> Option<Tables> {
        let mut tables = Tables {
            counts: Box::new([[0; PLACES]; 2]),
            bins: vec![0; BINS],
            zeros: 0,
            max: 0.0,
        };
        for part in values.chunks(1 << 31) {
            tables.count(part, scale)?;
            tables.flush();
        }
        Some(tables)
    }

    pub fn bins(&self) -> &[u64] {
        &self.bins
    }

    fn count(&mut self, values: &[f32], scale: f32) -> Option<()> {
        let mut lanes = Lanes::default();
        let blocks = values.chunks_exact(LANES);
        let rest = blocks.remainder();
        for chunk in values[..values.len() - rest.len()].chunks(CHUNK) {
            count_chunk(&mut self.counts, &mut lanes, chunk, scale);
            if lanes.beyond() {
                return None;
            }
        }
        let (mut last, mut places) = ([0.0; LANES], [0; LANES]);
        last[..rest.len()].copy_from_slice(rest);
        lanes.place(&last, scale, &mut places);
        increment(&mut self.counts, &places[..rest.len()]);
        self.max = self.max.max(lanes.max());
        (!lanes.beyond()).then_some(())
    }

    fn flush(&mut self) {
        for table in self.counts.iter_mut() {
            let (bins, zeros) = table.split_at(BINS);
            for (bin, more) in self.bins.iter_mut().zip(bins) {
                *bin += u64::from(*more);
            }
            let zeros: u64 = zeros.iter().map(|n| u64::from(*n)).sum();
            self.bins[0] += zeros;
            self.zeros += zeros;
            table.fill(0);
        }
    }
}

/// Whole blocks of lanes, at most [`CHUNK`] elements. A quarter of the time goes where a processor has wider vectors than
/// the ones that all x86-64 processors have.
#[multiversion(targets("x86_64+avx2"))]
fn count_chunk(counts: &mut Counts, lanes: &mut Lanes, values: &[f32], scale: f32) {
    let mut places = [0; CHUNK];
    let blocks = places.chunks_exact_mut(LANES);
    for (places, values) in blocks.zip(values.chunks_exact(LANES)) {
        lanes.place(values, scale, places);
    }
    increment(counts, &places[..values.len()]);
}

#[inline(always)]
fn increment(counts: &mut Counts, places: &[u32]) {
    let mut blocks = places.chunks_exact(8);
    for block in &mut blocks {
        for (at, place) in block.iter().enumerate() {
            counts[at % 2][*place as usize % PLACES] += 1;
        }
    }
    for place in blocks.remainder() {
        counts[0][*place as usize % PLACES] += 1;
    }
}

/// What is known of every sixteenth element.
#[derive(Default)]
struct Lanes {
    max: [f32; LANES],
    /// All bits of the sums: those of [`BASE_EXPONENT`] alone where every element lies in a bin.
    sums: [u32; LANES],
}

impl Lanes {
    /// A place in a table for each of as many `values` as there are lanes.
    #[inline(always)]
    fn place(&mut self, values: &[f32], scale: f32, places: &mut [u32]) {
        let all = self.max.iter_mut().zip(&mut self.sums);
        let all = all.zip(values.iter().zip(places)).enumerate();
        for (lane, ((max, sums), (value, place))) in all {
            let bits = value.to_bits() & 0x7fff_ffff;
            let magnitude = f32::from_bits(bits);
            *max = if magnitude > *max { magnitude } else { *max };
            let sum = (f32::from_bits(bits & DECISIVE) * scale + BASE).to_bits();
            *sums |= sum;
            let zero = if bits == 0 { BINS + lane } else { 0 };
            *place = sum >> FRACTION & (BINS as u32 - 1) | zero as u32;
        }
    }

    /// Larger sums have an exponent that is no subset of the bits of [`BASE_EXPONENT`], and so has NaN.
    fn beyond(&self) -> bool {
        let sums = self.sums.iter().fold(0, |all, sum| all | sum);
        sums >> 23 != BASE_EXPONENT
    }

    fn max(&self) -> f32 {
        self.max.iter().copied().fold(0.0, f32::max)
    }
}

/// The largest magnitude.
///
/// # Errors
/// [`NotFinite`] names the first infinity or NaN.
pub fn largest(values: &[f32]) -> Result<f32, NotFinite> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(NotFinite(at)),
        None => Ok(values.iter().fold(0.0, |max, v| v.abs().max(max))),
    }
}
