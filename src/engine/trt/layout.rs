//! How elements lie in an engine's buffers: TensorRT's vector formats, packed and unpacked on the host.

use std::ops::Range;

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
            (_, [n, c, rest @ ..]) => n * c.next_multiple_of(self.group()) * rest.iter().product::<usize>(),
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
        match self {
            Layout::Plain => spread(bytes_of(values), 1, to, 1, |from, to| {
                to.copy_from_slice(from);
            }),
            Layout::Half16 => pack(self.group(), shape, values, to, |value| {
                f16::from_f32(value).to_le_bytes()
            }),
            Layout::Int32 { scale } => pack(self.group(), shape, values, to, |value| {
                quantized(value, scale).to_le_bytes()
            }),
        }
    }

    /// The other way round.
    pub fn unpack(self, shape: &[usize], from: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; shape.iter().product()];
        match self {
            Layout::Plain => spread(from, 1, bytes_of_mut(&mut values), 1, |from, to| {
                to.copy_from_slice(from);
            }),
            Layout::Half16 => unpack(self.group(), shape, from, &mut values, |bytes| {
                f16::from_le_bytes(bytes).to_f32()
            }),
            Layout::Int32 { scale } => unpack(self.group(), shape, from, &mut values, |bytes| {
                f32::from(i8::from_le_bytes(bytes)) * scale
            }),
        }
        values
    }
}

/// The bytes of float32 as a device reads them: every device here has them in the order of the host.
fn bytes_of(values: &[f32]) -> &[u8] {
    // SAFETY: as many bytes, for which any alignment and any content will do.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

fn bytes_of_mut(values: &mut [f32]) -> &mut [u8] {
    // SAFETY: as above; any four bytes are a float32.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// One row of `[N, C, ...]` in a vector format of elements of `W` bytes: of each group of channels, place after place, the
/// group's channels side by side.
struct Row<const W: usize> {
    /// Elements in row-major order, and bytes in the vector format.
    elements: usize,
    bytes: usize,
    map: usize,
    group: usize,
}

impl<const W: usize> Row<W> {
    /// `None` where there are no elements.
    fn of(group: usize, shape: &[usize]) -> Option<Row<W>> {
        let [_, channels, rest @ ..] = shape else {
            return None;
        };
        let map: usize = rest.iter().product();
        (!shape.contains(&0)).then_some(Row {
            elements: channels * map,
            bytes: channels.next_multiple_of(group) * map * W,
            map,
            group,
        })
    }

    /// The bytes of a channel's group, and where in each place of it the channel's element is.
    fn lane(&self, channel: usize) -> (Range<usize>, Range<usize>) {
        let size = self.map * self.group * W;
        let (start, lane) = (channel / self.group * size, channel % self.group * W);
        (start..start + size, lane..lane + W)
    }
}

fn pack<const W: usize>(
    group: usize,
    shape: &[usize],
    values: &[f32],
    to: &mut [u8],
    encoded: impl Fn(f32) -> [u8; W] + Sync,
) {
    let Some(row) = Row::<W>::of(group, shape) else {
        return;
    };
    spread(values, row.elements, to, row.bytes, |values, to| {
        let rows = values.chunks_exact(row.elements);
        for (values, to) in rows.zip(to.chunks_exact_mut(row.bytes)) {
            for (channel, values) in values.chunks_exact(row.map).enumerate() {
                let (bytes, lane) = row.lane(channel);
                let places = to[bytes].chunks_exact_mut(group * W);
                for (place, value) in places.zip(values) {
                    place[lane.clone()].copy_from_slice(&encoded(*value));
                }
            }
        }
    });
}

fn unpack<const W: usize>(
    group: usize,
    shape: &[usize],
    from: &[u8],
    values: &mut [f32],
    decoded: impl Fn([u8; W]) -> f32 + Sync,
) {
    let Some(row) = Row::<W>::of(group, shape) else {
        return;
    };
    spread(from, row.bytes, values, row.elements, |from, values| {
        let rows = values.chunks_exact_mut(row.elements);
        for (values, from) in rows.zip(from.chunks_exact(row.bytes)) {
            for (channel, values) in values.chunks_exact_mut(row.map).enumerate() {
                let (bytes, lane) = row.lane(channel);
                let places = from[bytes].chunks_exact(group * W);
                for (place, value) in places.zip(values) {
                    let mut element = [0; W];
                    element.copy_from_slice(&place[lane.clone()]);
                    *value = decoded(element);
                }
            }
        }
    });
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
        let at = |place: usize| f16::from_le_bytes([bytes[place * 2], bytes[place * 2 + 1]]).to_f32();
        assert_eq!(at(0), 0.0);
        assert_eq!(at(1), 2.0, "channel 1 lies beside channel 0");
        assert_eq!(at(16), 1.0, "column 1 comes after the group's 16 channels");
        assert_eq!(at(2 * 16 + 16 + 1), 35.0);
        assert_eq!(at(2 * 16 + 2), 0.0, "the last group is filled up with zeros");
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
