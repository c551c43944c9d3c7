//! Rows of profiles: single layers, and groups of them.

use super::described::NetworkLayers;
use super::quantity::{Quantity, Work};
use super::rows::Row;
use crate::board::{Kind, Layer};

/// The time that a row of a profile stands for.
pub(super) fn part(row: &Row, described: &NetworkLayers) -> Result<Quantity, String> {
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

fn googlenet(row: &Row, described: &NetworkLayers) -> Result<Quantity, String> {
    let text = row.layer.as_str();
    let between = |layers: &[Layer], from: usize, to: usize| -> Vec<Layer> {
        let inside = |l: &&Layer| place(&l.name).is_some_and(|p| (from..=to).contains(&p));
        layers.iter().filter(inside).cloned().collect()
    };
    let number = |t: &str| t.trim().parse::<usize>().map_err(|_| format!("layer {text}"));
    if let Some(rest) = text.strip_prefix("layers after ") {
        let from = number(rest.split(' ').next().unwrap_or_default())? + 1;
        return Ok(Quantity::DlaLayers(work(between(&described.dla, from, 139))));
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
fn gpu_layer(text: &str, described: &NetworkLayers) -> Result<Quantity, String> {
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

pub(super) fn moved(elements: f64) -> Layer {
    Layer {
        name: "reformat".into(),
        kind: Kind::Move,
        inputs: elements,
        outputs: elements,
        outside: 0.0,
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
    let find = |list: &[(&str, usize)], key: &str| list.iter().find(|(n, _)| *n == key).map(|(_, p)| *p);
    Some(find(&blocks, block)? + find(&inside, layer)?)
}
