//! Measured networks as layers, and what of them a row's time is about.

use std::collections::HashMap;

use super::conditions::{arithmetic, batches, kernels, machine, processor, tasks, trust};
use super::networks::{Parameters, network, single};
use super::observation::Observation;
use super::profile::part;
use super::quantity::{Place, Quantity, Work};
use super::rows::Row;
use crate::board::{Kind, Layer, Level, Processor, Target, layers};
use crate::graph::Graph;

/// Layers of a network for either target, and its elements in and out.
pub(super) struct NetworkLayers {
    pub gpu: Vec<Layer>,
    pub dla: Vec<Layer>,
    input: f64,
    output: f64,
}

/// Every network that a row has named so far.
#[derive(Default)]
pub(super) struct Networks(HashMap<String, Option<NetworkLayers>>);

impl Networks {
    pub fn observe(&mut self, row: &Row) -> Result<Observation, String> {
        let arithmetic = arithmetic(row)?;
        let processor = processor(row)?;
        let place = Place {
            machine: machine(row)?,
            arithmetic,
        };
        let rows = batches(row)?;
        let measured = row.micros(rows[0]).ok_or_else(|| format!("unit {}", row.unit))?;
        let (level, quantity) = self.quantity(row, processor, rows)?;
        let measured = match processor {
            Processor::Combined => 1e6 / row.value,
            Processor::Gpu | Processor::Dla => measured,
        };
        Ok(Observation {
            id: row.id.clone(),
            source: row.origin(),
            model: row.model.clone(),
            processor,
            level,
            arithmetic,
            measured,
            weight: trust(row),
            place,
            quantity,
        })
    }

    fn quantity(
        &mut self,
        row: &Row,
        processor: Processor,
        rows: [f64; 2],
    ) -> Result<(Level, Quantity), String> {
        if row.model == "single-layer engine" {
            return Ok((Level::Layer, single_layer(row)?));
        }
        let described = self.described(&row.model)?;
        let part = match row.level.as_str() {
            "network" => None,
            "layer" | "group" | "transition" => Some(part(row, described)?),
            other => return Err(format!("level {other}")),
        };
        if let Some(quantity) = part {
            return Ok((Level::Layer, quantity));
        }
        let mlperf = row.source.contains("mlcommons");
        let detects = row.model.starts_with("SSD") || row.model.starts_with("RetinaNet-");
        let python = row.note.contains("PyTorch call") || row.note.contains("Python loop");
        let io = |tensors: &[f64]| if mlperf { Vec::new() } else { tensors.to_vec() };
        let whole = |rows| Work {
            layers: described.gpu.clone(),
            io: io(&[described.input, described.output]),
            rows,
        };
        let (front, back) = split(described, row);
        let fallback = |rows| Work {
            layers: [back.clone(), kernels(row)].concat(),
            io: Vec::new(),
            rows,
        };
        let cut = front.last().map_or(described.output, |l| l.outputs);
        let dla = |rows| Work {
            layers: front.clone(),
            io: io(&[described.input, cut]),
            rows,
        };
        let quantity = match processor {
            Processor::Gpu => Quantity::Gpu {
                work: whole(rows[0]),
                graph: mlperf,
                python,
                detects,
            },
            Processor::Dla => Quantity::Dla {
                work: dla(rows[1]),
                fallback: fallback(rows[1]),
                tasks: tasks(row),
                python,
            },
            Processor::Combined => Quantity::Combined {
                gpu: whole(rows[0]),
                dla: dla(rows[1]),
                fallback: fallback(rows[1]),
                cores: 2,
                detects,
            },
        };
        Ok((Level::Network, quantity))
    }

    fn described(&mut self, model: &str) -> Result<&NetworkLayers, String> {
        let entry = self.0.entry(model.to_string()).or_insert_with(|| {
            let graph = network(model)?.ok()?;
            Some(describe(&graph))
        });
        entry
            .as_ref()
            .ok_or_else(|| format!("the layers of {model} are not described"))
    }
}

fn describe(graph: &Graph) -> NetworkLayers {
    let elements = |ids: &[crate::graph::TensorId]| -> f64 {
        let sizes = ids
            .iter()
            .map(|id| graph.tensor(*id).shape.iter().product::<usize>());
        sizes.sum::<usize>() as f64
    };
    NetworkLayers {
        gpu: layers(graph, Target::Gpu),
        dla: layers(graph, Target::Dla),
        input: elements(&graph.inputs),
        output: elements(&graph.outputs),
    }
}

/// What a DLA runs, and what falls back: from the first layer on that it does not take. Caffe's classifier is a
/// convolution to it, ONNX's is not.
fn split(described: &NetworkLayers, row: &Row) -> (Vec<Layer>, Vec<Layer>) {
    let caffe = row.model == "GoogLeNet";
    let stays = |layer: &Layer| match layer.kind {
        Kind::MatMul => caffe,
        Kind::Softmax | Kind::Reduce => false,
        _ => true,
    };
    let layers = &described.dla;
    let at = layers.iter().position(|l| !stays(l)).unwrap_or(layers.len());
    (layers[..at].to_vec(), layers[at..].to_vec())
}

fn single_layer(row: &Row) -> Result<Quantity, String> {
    let text = row
        .note
        .strip_prefix("params ")
        .and_then(|t| t.split("};").next());
    let text = text.ok_or("the layer's parameters are not given")?;
    let parameters: Parameters = serde_json::from_str(&format!("{text}}}")).map_err(|e| e.to_string())?;
    let graph = single(&parameters).map_err(|e| e.to_string())?;
    let described = describe(&graph);
    Ok(Quantity::Dla {
        work: Work {
            io: vec![described.input, described.output],
            layers: described.dla,
            rows: 1.0,
        },
        fallback: Work {
            layers: kernels(row),
            io: Vec::new(),
            rows: 1.0,
        },
        tasks: 1.0,
        python: false,
    })
}
