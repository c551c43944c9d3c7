//! A row of the measurements as something the model can predict.

use std::collections::HashMap;

use super::networks::{network, single, Parameters};
use super::quantity::{Place, Quantity, Work};
use super::rows::Row;
use crate::board::{
    layers, named, Arithmetic, Constants, Kind, Layer, Level, Machine, Positive, Processor, Target,
};
use crate::graph::Graph;

/// A measurement with what the model has to say about it.
pub struct Observation {
    pub id: String,
    pub source: String,
    pub model: String,
    pub processor: Processor,
    pub level: Level,
    pub arithmetic: Arithmetic,
    /// Microseconds.
    pub measured: f64,
    /// Its part in the fit.
    pub weight: f64,
    pub place: Place,
    pub quantity: Quantity,
}

impl Observation {
    /// Logarithm of predicted over measured time.
    pub fn error(&self, constants: &Constants) -> f64 {
        (self.quantity.predict(&self.place, constants) / self.measured).ln()
    }
}

/// A row that is left out, with the reason.
pub struct Unused {
    pub id: String,
    pub reason: String,
}

/// Every row as an observation, or the reason why it is none.
pub fn observations(rows: &[Row]) -> (Vec<Observation>, Vec<Unused>) {
    let mut networks = Networks::default();
    let (mut used, mut unused) = (Vec::new(), Vec::new());
    for row in rows {
        match networks.observe(row) {
            Ok(observation) => used.push(observation),
            Err(reason) => unused.push(Unused {
                id: row.id.clone(),
                reason,
            }),
        }
    }
    weigh(&mut used);
    (used, unused)
}

/// Many rows of one kind from one source tell less than their number.
fn weigh(observations: &mut [Observation]) {
    let group = |o: &Observation| (o.source.clone(), o.processor, o.level, o.arithmetic);
    let mut counts = HashMap::new();
    for observation in observations.iter() {
        *counts.entry(group(observation)).or_insert(0.0) += 1.0;
    }
    for observation in observations.iter_mut() {
        let count: f64 = counts[&group(observation)];
        observation.weight /= count.sqrt();
    }
}

/// Layers of a network for either target, and its elements in and out.
struct Described {
    gpu: Vec<Layer>,
    dla: Vec<Layer>,
    input: f64,
    output: f64,
}

#[derive(Default)]
struct Networks(HashMap<String, Option<Described>>);

impl Networks {
    fn observe(&mut self, row: &Row) -> Result<Observation, String> {
        let arithmetic = arithmetic(row)?;
        let processor = processor(row)?;
        let place = Place {
            machine: machine(row)?,
            arithmetic,
        };
        let rows = batches(row)?;
        let measured = row
            .micros(rows[0])
            .ok_or_else(|| format!("unit {}", row.unit))?;
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

    fn described(&mut self, model: &str) -> Result<&Described, String> {
        let entry = self.0.entry(model.to_string()).or_insert_with(|| {
            let graph = network(model)?.ok()?;
            Some(describe(&graph))
        });
        entry
            .as_ref()
            .ok_or_else(|| format!("the layers of {model} are not described"))
    }
}

fn describe(graph: &Graph) -> Described {
    let elements = |ids: &[crate::graph::TensorId]| -> f64 {
        let sizes = ids
            .iter()
            .map(|id| graph.tensor(*id).shape.iter().product::<usize>());
        sizes.sum::<usize>() as f64
    };
    Described {
        gpu: layers(graph, Target::Gpu),
        dla: layers(graph, Target::Dla),
        input: elements(&graph.inputs),
        output: elements(&graph.outputs),
    }
}

/// What a DLA runs, and what falls back: from the first layer on that it does not take. Caffe's classifier is a
/// convolution to it, ONNX's is not.
fn split(described: &Described, row: &Row) -> (Vec<Layer>, Vec<Layer>) {
    let caffe = row.model == "GoogLeNet";
    let stays = |layer: &Layer| match layer.kind {
        Kind::MatMul => caffe,
        Kind::Softmax | Kind::Reduce => false,
        _ => true,
    };
    let layers = &described.dla;
    let at = layers
        .iter()
        .position(|l| !stays(l))
        .unwrap_or(layers.len());
    (layers[..at].to_vec(), layers[at..].to_vec())
}

/// Tasks of a DLA engine: TensorRT's profile has three rows for each.
fn tasks(row: &Row) -> f64 {
    let text = row.note.strip_prefix("DLA layers ");
    let count = text.and_then(|t| t.split(',').next()?.parse::<f64>().ok());
    count.map_or(1.0, |n| (n / 3.0).round().max(1.0))
}

/// The GPU's small kernels inside a DLA engine, where the note counts them.
fn kernels(row: &Row) -> Vec<Layer> {
    let text = row.note.split("GPU layers ").nth(1);
    let count = text.and_then(|t| t.split([',', ';']).next()?.trim().parse::<usize>().ok());
    vec![parts::moved(0.0); count.unwrap_or(0)]
}

fn single_layer(row: &Row) -> Result<Quantity, String> {
    let text = row
        .note
        .strip_prefix("params ")
        .and_then(|t| t.split("};").next());
    let text = text.ok_or("the layer's parameters are not given")?;
    let parameters: Parameters =
        serde_json::from_str(&format!("{text}}}")).map_err(|e| e.to_string())?;
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

fn arithmetic(row: &Row) -> Result<Arithmetic, String> {
    match row.precision.as_str() {
        "FP32" => Ok(Arithmetic::Fp32),
        "FP16" => Ok(Arithmetic::Fp16),
        "INT8" => Ok(Arithmetic::Int8),
        other => Err(format!("precision {other}")),
    }
}

fn processor(row: &Row) -> Result<Processor, String> {
    if !row.concurrent_with.is_empty() {
        return Err("ran beside another network".into());
    }
    match row.processor.as_str() {
        "GPU" => Ok(Processor::Gpu),
        "DLA0" | "DLA1" | "DLA (one core)" | "DLA" => Ok(Processor::Dla),
        "GPU+DLA0+DLA1" => Ok(Processor::Combined),
        other => Err(format!("processor {other}")),
    }
}

/// Rows per execution on the GPU and on a DLA.
fn batches(row: &Row) -> Result<[f64; 2], String> {
    let text = row
        .batch
        .trim_start_matches("query of 1: ")
        .trim_start_matches("query of 2: ");
    let number = |text: &str| {
        text.trim()
            .parse::<f64>()
            .map_err(|_| format!("batch `{}`", row.batch))
    };
    match text.split_once('/') {
        Some((gpu, dla)) => {
            let strip = |t: &str| {
                t.trim()
                    .trim_start_matches(|c: char| c.is_alphabetic())
                    .to_string()
            };
            let (gpu, dla) = (number(&strip(gpu))?, number(&strip(dla))?);
            Ok(match row.processor.as_str() {
                "DLA (one core)" => [dla, dla],
                _ => [gpu, dla],
            })
        }
        None if text.starts_with("GPU") => {
            let rows = number(text.trim_start_matches("GPU"))?;
            Ok([rows, rows])
        }
        None => {
            let rows = number(text)?;
            Ok([rows, rows])
        }
    }
}

fn machine(row: &Row) -> Result<Machine, String> {
    let nx = match row.source.as_str() {
        s if s.contains("results_v0.7") || s.contains("results_v1.0") => "15W",
        s if s.contains("mlcommons") => "20W",
        _ => "15W",
    };
    let (board, mode) = match row.device.as_str() {
        "Jetson Xavier NX" => ("xavier-nx", nx),
        "Jetson AGX Xavier" | "Jetson AGX Xavier 32GB" => ("agx-xavier", "MAXN"),
        "Jetson AGX Orin"
        | "Jetson AGX Orin 64GB"
        | "DRIVE/Jetson AGX Orin"
        | "Jetson AGX Orin (DSBOARD-AGX carrier)" => ("agx-orin", "MAXN"),
        "Jetson Orin NX 16GB" => ("orin-nx", "25W"),
        other => return Err(format!("the clocks of {other} are not known")),
    };
    let board = named(board).map_err(|e| e.to_string())?;
    let mut machine = board.machine(Some(mode)).map_err(|e| e.to_string())?;
    if let Some(mhz) = row.dla_mhz {
        machine.mode.dla_mhz = Positive(mhz);
    }
    Ok(machine)
}

/// Targets and rounded figures count less than logs.
fn trust(row: &Row) -> f64 {
    match row.kind.as_str() {
        // The Xavier NX's per-core targets repeat the AGX Xavier's, whose clock is a quarter higher.
        "configured_expected_qps" if row.device == "Jetson Xavier NX" && row.processor != "GPU" => {
            0.1
        }
        "configured_expected_qps" => 0.3,
        _ if row.layer.contains("_mark_at_") => 0.1,
        _ if row.note.contains("DVFS")
            || row.power_mode.contains("DVFS")
            || row.note.contains("dvfs") =>
        {
            0.3
        }
        _ => 1.0,
    }
}

mod parts {
    //! Parts of profiles.
    use super::*;

    /// The time that a row of a profile stands for.
    pub fn part(row: &Row, described: &Described) -> Result<Quantity, String> {
        if row.model == "GoogLeNet" {
            return googlenet(row, described);
        }
        let index = match row.layer.split([' ', '+']).next().unwrap_or_default() {
            "Conv_219" => 0,
            "MaxPool_222" => 1,
            "Conv_223" => 2,
            "Conv_226" => 3,
            "Conv_230" => 4,
            "Conv_233" => 5,
            "Conv_237" => 6,
            "Conv_240" => 7,
            "Conv_244" => 9,
            other => return Err(format!("layer {other}")),
        };
        let layer = described.dla.get(index).ok_or("no such layer")?;
        Ok(Quantity::DlaLayers(work(vec![layer.clone()])))
    }

    fn work(layers: Vec<Layer>) -> Work {
        Work {
            layers,
            io: Vec::new(),
            rows: 1.0,
        }
    }

    fn on_gpu(layers: Vec<Layer>) -> Quantity {
        Quantity::Gpu {
            work: work(layers),
            graph: false,
            python: false,
            detects: false,
        }
    }

    fn googlenet(row: &Row, described: &Described) -> Result<Quantity, String> {
        let text = row.layer.as_str();
        let between = |layers: &[Layer], from: usize, to: usize| -> Vec<Layer> {
            let inside = |l: &&Layer| place(&l.name).is_some_and(|p| (from..=to).contains(&p));
            layers.iter().filter(inside).cloned().collect()
        };
        let number = |t: &str| {
            t.trim()
                .parse::<usize>()
                .map_err(|_| format!("layer {text}"))
        };
        if let Some(rest) = text.strip_prefix("layers after ") {
            let from = number(rest.split(' ').next().unwrap_or_default())? + 1;
            return Ok(Quantity::DlaLayers(work(between(
                &described.dla,
                from,
                139,
            ))));
        }
        if let Some(rest) = text.strip_prefix("layers ") {
            let rest = rest.split(" (").next().unwrap_or(rest).replace("..", "-");
            let (from, to) = rest.split_once('-').ok_or("no range")?;
            return Ok(on_gpu(between(&described.gpu, number(from)?, number(to)?)));
        }
        if let Some(rest) = text.strip_prefix("GPU->DLA input reformat at layer ") {
            let from = number(rest)? + 1;
            let first = between(&described.dla, from, 139);
            let elements = first.first().map_or(0.0, |l| l.inputs);
            return Ok(on_gpu(vec![moved(elements)]));
        }
        match text {
            "{whole network} 5b/output,pool5/7x7_s1,loss3/classifier}" => Ok(Quantity::Submit),
            "{whole network} 1,loss3/classifier} output reformatter 0" => {
                Ok(Quantity::DlaLayers(work(between(&described.dla, 0, 139))))
            }
            _ if row.processor != "GPU" => Err("bookkeeping of a profile".into()),
            _ => gpu_layer(text, described),
        }
    }

    /// `a + b || c + d input reformatter 0`.
    fn gpu_layer(text: &str, described: &Described) -> Result<Quantity, String> {
        let (base, input) = match (
            text.split_once(" input reformatter"),
            text.split_once(" output reformatter"),
        ) {
            (Some((base, _)), _) => (base, Some(true)),
            (None, Some((base, _))) => (base, Some(false)),
            (None, None) => (text, None),
        };
        let names = |t: &str| -> Vec<String> {
            let first = |part: &str| part.split(" + ").next().unwrap_or(part).to_string();
            let mut names: Vec<String> = t.split(" || ").map(first).collect();
            names.sort();
            names
        };
        let wanted = names(base);
        let found = described.gpu.iter().find(|l| names(&l.name) == wanted);
        let layer = found.ok_or_else(|| format!("layer {base}"))?;
        Ok(on_gpu(vec![match input {
            None => layer.clone(),
            Some(true) => moved(layer.inputs),
            Some(false) => moved(layer.outputs),
        }]))
    }

    pub fn moved(elements: f64) -> Layer {
        Layer {
            name: "reformat".into(),
            kind: Kind::Move,
            inputs: elements,
            outputs: elements,
            weights: 0.0,
            macs: 0.0,
            adds: false,
            geometry: None,
        }
    }

    /// The index of a layer in Caffe's description.
    fn place(name: &str) -> Option<usize> {
        let first = name.split(" || ").next()?.trim_end_matches(" copy");
        let fixed = [
            ("conv1/7x7_s2", 0),
            ("pool1/3x3_s2", 2),
            ("pool1/norm1", 3),
            ("conv2/3x3_reduce", 4),
            ("conv2/3x3", 6),
            ("conv2/norm2", 8),
            ("pool2/3x3_s2", 9),
            ("pool3/3x3_s2", 38),
            ("pool4/3x3_s2", 109),
            ("pool5/7x7_s1", 138),
            ("loss3/classifier", 139),
            ("prob", 140),
        ];
        if let Some((_, place)) = fixed.iter().find(|(n, _)| *n == first) {
            return Some(*place);
        }
        let (block, layer) = first.strip_prefix("inception_")?.split_once('/')?;
        let blocks = [
            ("3a", 10),
            ("3b", 24),
            ("4a", 39),
            ("4b", 53),
            ("4c", 67),
            ("4d", 81),
            ("4e", 95),
            ("5a", 110),
            ("5b", 124),
        ];
        let inside = [
            ("1x1", 0),
            ("3x3_reduce", 2),
            ("3x3", 4),
            ("5x5_reduce", 6),
            ("5x5", 8),
            ("pool", 10),
            ("pool_proj", 11),
            ("output", 13),
        ];
        let find = |list: &[(&str, usize)], key: &str| {
            list.iter().find(|(n, _)| *n == key).map(|(_, p)| *p)
        };
        Some(find(&blocks, block)? + find(&inside, layer)?)
    }
}
use parts::part;
