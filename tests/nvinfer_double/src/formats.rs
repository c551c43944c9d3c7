//! An engine's ports in memory: element types and layouts, and the way to float32 in row-major order and back.

use half::f16;

use crate::plan::Port;

/// `DataType`, as far as ports have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    Float,
    Half,
    Int8,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Element::Float => 4,
            Element::Half => 2,
            Element::Int8 => 1,
        }
    }
}

/// How one port lies in memory.
#[derive(Debug, Clone)]
pub struct Layout {
    pub name: String,
    pub shape: Vec<usize>,
    pub element: Element,
    /// Channels that lie together: 1, 16 or 32.
    group: usize,
    /// What one step of INT8 stands for.
    step: f32,
}

impl Layout {
    /// # Errors
    /// A type or format that no engine of the program has.
    pub fn of(port: &Port) -> Result<Layout, String> {
        let unknown = |what: String| format!("port `{}`: {what}", port.name);
        let element = match port.data_type {
            0 => Element::Float,
            1 => Element::Half,
            2 => Element::Int8,
            other => return Err(unknown(format!("type {other}"))),
        };
        // The lowest format that is allowed; none given is linear.
        let group = match port.formats.trailing_zeros() {
            0 | 32 => 1,
            4 => 16,
            5 => 32,
            other => return Err(unknown(format!("format {other}"))),
        };
        let fits = match group {
            16 => element == Element::Half,
            32 => element == Element::Int8,
            _ => true,
        };
        if !fits || (group > 1 && port.shape.len() != 4) {
            let shape = &port.shape;
            return Err(unknown(format!(
                "groups of {group} channels of {element:?} {shape:?}"
            )));
        }
        if element == Element::Int8 && port.range <= 0.0 {
            return Err(unknown("INT8 without a range".into()));
        }
        Ok(Layout {
            name: port.name.clone(),
            shape: port.shape.clone(),
            element,
            group,
            step: port.range / 127.0,
        })
    }

    /// `TensorFormat`.
    pub fn format(&self) -> i32 {
        match self.group {
            16 => 4,
            32 => 5,
            _ => 0,
        }
    }

    /// `DataType`.
    pub fn data_type(&self) -> i32 {
        match self.element {
            Element::Float => 0,
            Element::Half => 1,
            Element::Int8 => 2,
        }
    }

    pub fn bytes(&self) -> usize {
        let mut shape = self.shape.clone();
        if self.group > 1 {
            shape[1] = shape[1].next_multiple_of(self.group);
        }
        shape.iter().product::<usize>() * self.element.bytes()
    }

    /// Where element `index` of the row-major array lies, in elements.
    fn place(&self, index: usize) -> usize {
        if self.group == 1 {
            return index;
        }
        let (channels, map) = (self.shape[1], self.shape[2] * self.shape[3]);
        let (image, rest) = (index / (channels * map), index % (channels * map));
        let (channel, at) = (rest / map, rest % map);
        let groups = channels.div_ceil(self.group);
        ((image * groups + channel / self.group) * map + at) * self.group + channel % self.group
    }

    pub fn read(&self, bytes: &[u8]) -> Vec<f32> {
        let value = |index| {
            let at = self.place(index) * self.element.bytes();
            match self.element {
                Element::Float => f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")),
                Element::Half => f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32(),
                Element::Int8 => f32::from(bytes[at] as i8) * self.step,
            }
        };
        (0..self.shape.iter().product()).map(value).collect()
    }

    /// Channels that only fill a group up become zero.
    pub fn write(&self, values: &[f32], bytes: &mut [u8]) {
        bytes.fill(0);
        for (index, value) in values.iter().enumerate() {
            let at = self.place(index) * self.element.bytes();
            match self.element {
                Element::Float => bytes[at..at + 4].copy_from_slice(&value.to_le_bytes()),
                Element::Half => {
                    let half = f16::from_f32(*value).to_le_bytes();
                    bytes[at..at + 2].copy_from_slice(&half);
                }
                Element::Int8 => {
                    let steps = (value / self.step).round_ties_even();
                    bytes[at] = steps.clamp(-128.0, 127.0) as i8 as u8;
                }
            }
        }
    }
}
