//! How elements lie in an engine's buffers: TensorRT's vector formats, packed and unpacked on the host.

use half::f16;

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

    /// Writes `values` (row-major, of `shape`) as this layout.
    pub fn pack(self, shape: &[usize], values: &[f32], to: &mut [u8]) {
        match self {
            Layout::Plain => {
                for (value, bytes) in values.iter().zip(to.chunks_exact_mut(4)) {
                    bytes.copy_from_slice(&value.to_le_bytes());
                }
            }
            Layout::Half16 => grouped(shape, 16, |element, at| {
                let value = f16::from_f32(values[element]);
                to[at * 2..at * 2 + 2].copy_from_slice(&value.to_le_bytes());
            }),
            Layout::Int32 { scale } => grouped(shape, 32, |element, at| {
                to[at] = quantized(values[element], scale) as u8;
            }),
        }
    }

    /// The other way round.
    pub fn unpack(self, shape: &[usize], from: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; shape.iter().product()];
        match self {
            Layout::Plain => {
                for (value, bytes) in values.iter_mut().zip(from.chunks_exact(4)) {
                    *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
            Layout::Half16 => grouped(shape, 16, |element, at| {
                values[element] = f16::from_le_bytes([from[at * 2], from[at * 2 + 1]]).to_f32();
            }),
            Layout::Int32 { scale } => grouped(shape, 32, |element, at| {
                values[element] = f32::from(from[at] as i8) * scale;
            }),
        }
        values
    }
}

/// TensorRT's rounding: to the nearest step, halves to the even one, and never beyond the range.
fn quantized(value: f32, scale: f32) -> i8 {
    (value / scale)
        .round_ties_even()
        .clamp(-Ranges::STEPS, Ranges::STEPS) as i8
}

/// For each element of `[N, C, ...]` in row-major order: its index, and its place with `group` channels side by side.
fn grouped(shape: &[usize], group: usize, mut each: impl FnMut(usize, usize)) {
    let [n, c, rest @ ..] = shape else {
        return;
    };
    let map: usize = rest.iter().product();
    let groups = c.div_ceil(group);
    let mut element = 0;
    for row in 0..*n {
        for channel in 0..*c {
            let start = (row * groups + channel / group) * map;
            for place in 0..map {
                each(element, (start + place) * group + channel % group);
                element += 1;
            }
        }
    }
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
