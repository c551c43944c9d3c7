//! How elements lie in an engine's buffers: TensorRT's vector formats, packed and unpacked on the host.

use half::f16;

use super::spread::spread;
use crate::engine::Ranges;

/// The element type and order of one input or output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Layout {
    /// Float32 in row-major order.
    Plain,
    /// `kCHW16`: FP16, channels in groups of 16 beside each other. A DLA's own format, so nothing is converted on the way.
    Half16,
    /// `kCHW32`: INT8, channels in groups of 32; one step is worth `scale`.
    Int32 { scale: f32 },
}

impl Layout {
    /// TensorRT's number of the element type.
    pub fn kind(self) -> i32 {
        match self {
            Layout::Plain => 0,
            Layout::Half16 => 1,
            Layout::Int32 { .. } => 2,
        }
    }

    /// TensorRT's number of the format.
    pub fn format(self) -> i32 {
        match self {
            Layout::Plain => 0,
            Layout::Half16 => 4,
            Layout::Int32 { .. } => 5,
        }
    }

    fn group(self) -> usize {
        match self {
            Layout::Plain => 1,
            Layout::Half16 => 16,
            Layout::Int32 { .. } => 32,
        }
    }

    /// Bytes of a buffer for `shape`; vector formats need `[N, C, H, W]` and fill the last group up.
    pub fn bytes(self, shape: &[usize]) -> usize {
        let elements: usize = match (self, shape) {
            (Layout::Plain, shape) => shape.iter().product(),
            (_, [n, c, rest @ ..]) => {
                n * c.next_multiple_of(self.group()) * rest.iter().product::<usize>()
            }
            (_, shape) => shape.iter().product(),
        };
        match self {
            Layout::Plain => elements * 4,
            Layout::Half16 => elements * 2,
            Layout::Int32 { .. } => elements,
        }
    }

    /// Writes `values` (row-major, of `shape`) as this layout. What fills the last group of channels up stays as it is.
    pub fn pack(self, shape: &[usize], values: &[f32], to: &mut [u8]) {
        let Some((rows, [channels, map])) = self.rows(shape) else {
            return spread(values, 1, to, 4, |values, to| {
                for (value, bytes) in values.iter().zip(to.chunks_exact_mut(4)) {
                    bytes.copy_from_slice(&value.to_le_bytes());
                }
            });
        };
        let (unit, bytes) = (values.len() / rows, to.len() / rows);
        spread(values, unit, to, bytes, |values, to| {
            for (values, to) in values.chunks_exact(unit).zip(to.chunks_exact_mut(bytes)) {
                self.pack_row(values, channels, map, to);
            }
        });
    }

    /// The other way round.
    pub fn unpack(self, shape: &[usize], from: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; shape.iter().product()];
        let Some((rows, [channels, map])) = self.rows(shape) else {
            spread(from, 4, &mut values, 1, |from, values| {
                for (value, bytes) in values.iter_mut().zip(from.chunks_exact(4)) {
                    *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            });
            return values;
        };
        let (unit, bytes) = (values.len() / rows, from.len() / rows);
        spread(from, bytes, &mut values, unit, |from, values| {
            for (from, values) in from.chunks_exact(bytes).zip(values.chunks_exact_mut(unit)) {
                self.unpack_row(from, channels, map, values);
            }
        });
        values
    }

    /// For a vector format the rows of `shape`, with the channels and the elements of a map; `None` where elements lie in
    /// row-major order, or there are none.
    fn rows(self, shape: &[usize]) -> Option<(usize, [usize; 2])> {
        match (self, shape) {
            (Layout::Plain, _) => None,
            (_, shape) if shape.contains(&0) => None,
            (_, [n, c, rest @ ..]) => Some((*n, [*c, rest.iter().product()])),
            (_, _) => None,
        }
    }

    /// One row in a vector format: of each group of channels, place after place, the group's channels side by side.
    fn pack_row(self, values: &[f32], channels: usize, map: usize, to: &mut [u8]) {
        let (group, width) = (self.group(), self.bytes(&[1, self.group()]));
        for (channel, values) in values.chunks_exact(map).enumerate().take(channels) {
            let (start, lane) = (channel / group * map * width, channel % group);
            let places = to[start..start + map * width].chunks_exact_mut(width);
            match self {
                Layout::Plain => {}
                Layout::Half16 => {
                    for (place, value) in places.zip(values) {
                        let half = f16::from_f32(*value).to_le_bytes();
                        place[lane * 2..lane * 2 + 2].copy_from_slice(&half);
                    }
                }
                Layout::Int32 { scale } => {
                    for (place, value) in places.zip(values) {
                        place[lane] = quantized(*value, scale) as u8;
                    }
                }
            }
        }
    }

    fn unpack_row(self, from: &[u8], channels: usize, map: usize, values: &mut [f32]) {
        let (group, width) = (self.group(), self.bytes(&[1, self.group()]));
        for (channel, values) in values.chunks_exact_mut(map).enumerate().take(channels) {
            let (start, lane) = (channel / group * map * width, channel % group);
            let places = from[start..start + map * width].chunks_exact(width);
            match self {
                Layout::Plain => {}
                Layout::Half16 => {
                    for (place, value) in places.zip(values) {
                        *value =
                            f16::from_le_bytes([place[lane * 2], place[lane * 2 + 1]]).to_f32();
                    }
                }
                Layout::Int32 { scale } => {
                    for (place, value) in places.zip(values) {
                        *value = f32::from(place[lane] as i8) * scale;
                    }
                }
            }
        }
    }
}

/// TensorRT's rounding: to the nearest step, halves to the even one, and never beyond the range.
fn quantized(value: f32, scale: f32) -> i8 {
    // Beyond this number float32 has no fractions, so adding it rounds as the processor does: without a call per element.
    const WHOLE: f32 = (3 << 22) as f32;
    let steps = (value / scale).clamp(-Ranges::STEPS, Ranges::STEPS);
    ((steps + WHOLE) - WHOLE) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_lie_as_nvidia_describes_the_formats() {
        // [1, 18, 1, 2]: channel 17 at column 1 is in group 1 at place 1 as its element 1.
        let shape = [1, 18, 1, 2];
        let values: Vec<f32> = (0..36).map(|v| v as f32).collect();
        let mut bytes = vec![0; Layout::Half16.bytes(&shape)];
        assert_eq!(bytes.len(), 2 * 2 * 16 * 2);
        Layout::Half16.pack(&shape, &values, &mut bytes);
        let at =
            |place: usize| f16::from_le_bytes([bytes[place * 2], bytes[place * 2 + 1]]).to_f32();
        assert_eq!(at(0), 0.0);
        assert_eq!(at(1), 2.0, "channel 1 lies beside channel 0");
        assert_eq!(at(16), 1.0, "column 1 comes after the group's 16 channels");
        assert_eq!(at(2 * 16 + 16 + 1), 35.0);
        assert_eq!(
            at(2 * 16 + 2),
            0.0,
            "the last group is filled up with zeros"
        );
    }

    #[test]
    fn what_is_packed_comes_back() {
        let shape = [2, 35, 3, 2];
        let values: Vec<f32> = (0..420).map(|v| (v % 201) as f32 - 100.0).collect();
        for layout in [Layout::Plain, Layout::Half16, Layout::Int32 { scale: 1.0 }] {
            let mut bytes = vec![0; layout.bytes(&shape)];
            layout.pack(&shape, &values, &mut bytes);
            assert_eq!(layout.unpack(&shape, &bytes), values, "{layout:?}");
        }
    }

    #[test]
    fn int8_rounds_to_the_nearest_step_and_stays_in_range() {
        let cases = [
            (0.24, 0, "the nearest step"),
            (0.25, 0, "a half goes to the even step"),
            (0.75, 2, "upwards too"),
            (-0.26, -1, "negative values"),
            (1e9, 127, "beyond the range"),
            (-1e9, -127, "symmetric: never -128"),
        ];
        for (value, want, why) in cases {
            assert_eq!(quantized(value, 0.5), want, "{why}");
        }
    }
}
