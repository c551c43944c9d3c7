//! Under which conditions a row was measured, and how far it is to be trusted.

use super::profile::moved;
use super::rows::Row;
use crate::board::{Arithmetic, Layer, Machine, Megahertz, Processor, named};

pub(super) fn arithmetic(row: &Row) -> Result<Arithmetic, String> {
    match row.precision.as_str() {
        "FP32" => Ok(Arithmetic::Fp32),
        "FP16" => Ok(Arithmetic::Fp16),
        "INT8" => Ok(Arithmetic::Int8),
        other => Err(format!("precision {other}")),
    }
}

pub(super) fn processor(row: &Row) -> Result<Processor, String> {
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
pub(super) fn batches(row: &Row) -> Result<[f64; 2], String> {
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

pub(super) fn machine(row: &Row) -> Result<Machine, String> {
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
        machine.mode.dla_mhz = Megahertz(mhz);
    }
    Ok(machine)
}

/// Targets and rounded figures count less than logs.
pub(super) fn trust(row: &Row) -> f64 {
    match row.kind.as_str() {
        // The Xavier NX's per-core targets repeat the AGX Xavier's, whose clock is a quarter higher.
        "configured_expected_qps" if row.device == "Jetson Xavier NX" && row.processor != "GPU" => 0.1,
        "configured_expected_qps" => 0.3,
        _ if row.layer.contains("_mark_at_") => 0.1,
        _ if row.note.contains("DVFS") || row.power_mode.contains("DVFS") || row.note.contains("dvfs") => 0.3,
        _ => 1.0,
    }
}

/// Tasks of a DLA engine: TensorRT's profile has three rows for each.
pub(super) fn tasks(row: &Row) -> f64 {
    let text = row.note.strip_prefix("DLA layers ");
    let count = text.and_then(|t| t.split(',').next()?.parse::<f64>().ok());
    count.map_or(1.0, |n| (n / 3.0).round().max(1.0))
}

/// The GPU's small kernels inside a DLA engine, where the note counts them.
pub(super) fn kernels(row: &Row) -> Vec<Layer> {
    let text = row.note.split("GPU layers ").nth(1);
    let count = text.and_then(|t| t.split([',', ';']).next()?.trim().parse::<usize>().ok());
    vec![moved(0.0); count.unwrap_or(0)]
}
