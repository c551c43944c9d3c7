//! The inputs and outputs of an engine: what they are called, and how they lie in memory.

use std::collections::HashSet;

use super::layout::Layout;
use crate::engine::{Numerics, Precision};
use crate::graph::{Graph, TensorId};
use crate::plan::Device;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port {
    /// Unique within the engine; the graph's names need not be.
    pub name: String,
    /// The graph's name, for messages.
    pub tensor: String,
    pub shape: Vec<usize>,
    pub layout: Layout,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ports {
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

impl Ports {
    /// A GPU's are plain float32. A DLA's are in its own formats: anything else would be reformatted on the GPU.
    ///
    /// # Errors
    /// What no DLA format describes, by its tensor.
    pub fn of(graph: &Graph, device: Device, numerics: &Numerics) -> Result<Ports, String> {
        let mut names = HashSet::new();
        let mut ports = |ids: &[TensorId]| -> Result<Vec<Port>, String> {
            let tensors = ids.iter().map(|id| graph.tensor(*id));
            tensors
                .map(|tensor| {
                    Ok(Port {
                        name: unique(&tensor.name, &mut names),
                        tensor: tensor.name.clone(),
                        shape: tensor.shape.clone(),
                        layout: layout(&tensor.name, &tensor.shape, device, numerics)?,
                    })
                })
                .collect()
        };
        Ok(Ports {
            inputs: ports(&graph.inputs)?,
            outputs: ports(&graph.outputs)?,
        })
    }
}

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|count| format!("{name}_{count}"));
    let plain = (!name.is_empty()).then(|| name.to_string());
    let mut names = plain.into_iter().chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.unwrap_or_default()
}

fn layout(tensor: &str, shape: &[usize], device: Device, numerics: &Numerics) -> Result<Layout, String> {
    if device == Device::Gpu {
        return Ok(Layout::Plain);
    }
    if shape.len() != 4 {
        return Err(format!(
            "`{tensor}` has the shape {shape:?}, and what enters or leaves a DLA engine has to be [N, C, H, W]"
        ));
    }
    match numerics.precision {
        Precision::F32 => Err("a DLA computes in fp16 or int8, not in fp32".into()),
        Precision::F16 => Ok(Layout::Half16),
        Precision::Int8 => match numerics.ranges.scale(tensor) {
            Some(scale) => Ok(Layout::Int32 { scale }),
            None => Err(no_range(tensor)),
        },
    }
}

/// What an INT8 network says about a tensor that was never measured.
pub(super) fn no_range(tensor: &str) -> String {
    format!(
        "int8 needs the range of `{tensor}`, and it has none\nhelp: calibrate the network, or compile it for fp16"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Ranges;
    use crate::graph::{Activation, GraphBuilder, Op};

    fn network(shape: &[usize]) -> Graph {
        let mut b = GraphBuilder::new("net");
        let x = b.input("x", shape);
        let y = b.node("x", Op::Activation(Activation::Relu), &[x]).unwrap();
        b.output(y);
        b.finish().unwrap()
    }

    #[test]
    fn every_device_gets_its_own_format() {
        let mut ranges = Ranges::default();
        ranges.insert("x", 127.0).unwrap();
        let int8 = Numerics {
            precision: Precision::Int8,
            ranges,
            ..Numerics::default()
        };
        let unmeasured = Numerics::of(Precision::Int8);
        let (half, full) = (Numerics::of(Precision::F16), Numerics::default());
        let dla = Device::Dla(1);
        type Wanted = Result<Layout, &'static str>;
        let cases: Vec<(&[usize], Device, &Numerics, Wanted)> = vec![
            (&[1, 3, 4, 4], Device::Gpu, &int8, Ok(Layout::Plain)),
            (&[1, 3], Device::Gpu, &int8, Ok(Layout::Plain)),
            (&[1, 3, 4, 4], dla, &int8, Ok(Layout::Int32 { scale: 1.0 })),
            (&[1, 3, 4, 4], dla, &half, Ok(Layout::Half16)),
            (&[1, 3], dla, &int8, Err("`x` has the shape [1, 3]")),
            (
                &[1, 3, 4, 4],
                dla,
                &unmeasured,
                Err("int8 needs the range of `x`"),
            ),
            (&[1, 3, 4, 4], dla, &full, Err("not in fp32")),
        ];
        for (shape, device, numerics, want) in cases {
            let got = Ports::of(&network(shape), device, numerics);
            match want {
                Ok(layout) => assert_eq!(got.unwrap().inputs[0].layout, layout),
                Err(part) => {
                    let error = got.unwrap_err();
                    assert!(error.contains(part), "{error}");
                }
            }
        }
    }

    #[test]
    fn no_two_ports_share_a_name() {
        let ports = Ports::of(&network(&[1, 2]), Device::Gpu, &Numerics::default()).unwrap();
        let (input, output) = (&ports.inputs[0], &ports.outputs[0]);
        assert_eq!((&*input.name, &*output.name), ("x", "x_2"));
        assert_eq!(output.tensor, "x");
    }
}
