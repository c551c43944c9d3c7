//! The line that makes NVIDIA's trtexec build what we would build. Option names are those of `sampleOptions.cpp` in
//! NVIDIA/TensorRT at release/8.0, 8.2, 8.4, 8.5, 8.6, 10.0, 10.3, 10.7 and 11.1.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::effort::Effort;
use super::stages::Stage;
use crate::cli::helped;
use crate::engine::StageKind;
use crate::plan::Device;
use crate::split::{Precision, Version, batch_limit, internal_row_bytes, platform_limit};

/// What is the same for all stages and devices.
pub struct Build<'a> {
    pub onnx: &'a Path,
    pub gpu_fallback: bool,
    pub effort: Effort,
}

/// A stage on a device: the command, or why there is none.
#[derive(Debug, Serialize)]
pub struct Line {
    #[serde(serialize_with = "name")]
    pub device: Device,
    pub command: Option<String>,
    pub refused: Option<String>,
}

fn name<S: Serializer>(device: &Device, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(device)
}

impl Build<'_> {
    /// One line per device that runs `stage`.
    pub fn lines(&self, stage: &Stage<'_>) -> Result<Vec<Line>, Box<dyn std::error::Error>> {
        let version = stage.options.target.tensorrt;
        if !(Version(8, 0, 0)..Version(11, 0, 0)).contains(&version) {
            return Err(helped(
                format!(
                    "there is no trtexec line for TensorRT {version}: from 11 on it has no precision flags, and before 8 it is not supported"
                ),
                "compile for TensorRT 8.0 to 10.x, or leave --trtexec out",
            ));
        }
        if let Some(missing) = self.effort.missing(version) {
            return Err(helped(
                format!("{missing}, and the artifact is for TensorRT {version}"),
                "leave the option out, or compile for a newer TensorRT",
            ));
        }
        let cores: &[u8] = match stage.kind {
            StageKind::Prefix => &stage.options.cores,
            StageKind::Whole | StageKind::Suffix => &[],
        };
        let devices = cores.iter().map(|core| Device::Dla(*core));
        let devices = std::iter::once(Device::Gpu).chain(devices);
        Ok(devices.map(|device| self.line(stage, device)).collect())
    }

    fn line(&self, stage: &Stage<'_>, device: Device) -> Line {
        let refused = match device {
            Device::Gpu => None,
            Device::Dla(_) => dla_limit(stage),
        };
        let command = refused.is_none().then(|| {
            let words = self.words(stage, device);
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            words.join(" ")
        });
        Line {
            device,
            command,
            refused,
        }
    }

    fn words(&self, stage: &Stage<'_>, device: Device) -> Vec<String> {
        let target = &stage.options.target;
        let engine = self.onnx.with_extension(format!("{device}.engine"));
        let mut words = vec!["trtexec".to_string()];
        words.push(format!("--onnx={}", self.onnx.display()));
        words.push(format!("--saveEngine={}", engine.display()));
        words.extend(precision(target.precision).map(String::from));
        if let Device::Dla(core) = device {
            words.push(format!("--useDLACore={core}"));
            if self.gpu_fallback {
                words.push("--allowGPUFallback".into());
            }
            let format = dla_format(target.precision);
            let formats = |count: usize| vec![format; count].join(",");
            let (inputs, outputs) = (stage.graph.inputs.len(), stage.graph.outputs.len());
            words.push(format!("--inputIOFormats={}", formats(inputs)));
            words.push(format!("--outputIOFormats={}", formats(outputs)));
        }
        words.extend(self.effort.words(target.tensorrt, device));
        words
    }
}

/// The rule that keeps this stage off every DLA at this batch.
fn dla_limit(stage: &Stage<'_>) -> Option<String> {
    let target = &stage.options.target;
    let row = internal_row_bytes(&stage.graph, target);
    let limit = platform_limit(target).or_else(|| batch_limit(target, stage.graph.batch(), row));
    limit.map(|reason| reason.to_string())
}

/// INT8 leaves FP16 allowed: layers without INT8 would be FP32 otherwise, which no DLA has.
fn precision(precision: Precision) -> impl Iterator<Item = &'static str> {
    let flags: &[&str] = match precision {
        Precision::Fp16 => &["--fp16"],
        Precision::Int8 => &["--int8", "--fp16"],
    };
    flags.iter().copied()
}

/// The DLA's own layout: any other is reformatted on the GPU at the boundary.
fn dla_format(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp16 => "fp16:chw16",
        Precision::Int8 => "int8:chw32",
    }
}

/// A word of a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+@%".contains(c);
    if word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Options;
    use crate::graph::{GraphBuilder, Op, Padding2d, Pool2d, PoolKind};
    use crate::split::{Chip, DlaTarget};

    fn lines(chip: Chip, version: Version, precision: Precision, build: &Build<'_>) -> Vec<Line> {
        let options = Options {
            target: DlaTarget {
                chip,
                tensorrt: version,
                precision,
            },
            ..Options::default()
        };
        let mut b = GraphBuilder::new("net");
        let x = b.input("x", &[4, 3, 8, 8]);
        let pool = Pool2d {
            kind: PoolKind::Max,
            window: [2, 2],
            stride: [2, 2],
            padding: Padding2d::default(),
            dilation: [1, 1],
            ceil_mode: false,
            count_include_pad: false,
        };
        let y = b.node("pool", Op::Pool2d(pool), &[x]).unwrap();
        b.output(y);
        let stage = Stage {
            network: "net",
            kind: StageKind::Prefix,
            options: &options,
            graph: b.finish().unwrap(),
        };
        build.lines(&stage).unwrap()
    }

    #[test]
    fn each_version_gets_the_options_it_has() {
        let build = Build {
            onnx: Path::new("my net/p.onnx"),
            gpu_fallback: false,
            effort: Effort {
                workspace: Some(256),
                ..Effort::default()
            },
        };
        let (old, new) = ("--workspace=256", "--memPoolSize=workspace:256");
        let cases = [
            (Version(8, 0, 1), Precision::Fp16, old, "no pools yet"),
            (Version(8, 2, 1), Precision::Int8, old, "JetPack 4.6.1"),
            (Version(8, 4, 0), Precision::Fp16, new, "the first with pools"),
            (Version(8, 5, 2), Precision::Int8, new, "JetPack 5.1"),
        ];
        for (version, precision, memory, why) in cases {
            let lines = lines(Chip::Xavier, version, precision, &build);
            let (flags, io) = match precision {
                Precision::Fp16 => ("--fp16", "fp16:chw16"),
                Precision::Int8 => ("--int8 --fp16", "int8:chw32"),
            };
            let gpu =
                format!("trtexec '--onnx=my net/p.onnx' '--saveEngine=my net/p.gpu.engine' {flags} {memory}");
            assert_eq!(lines[0].command.as_deref(), Some(gpu.as_str()), "{why}");
            let dla = format!(
                "trtexec '--onnx=my net/p.onnx' '--saveEngine=my net/p.dla1.engine' {flags} --useDLACore=1 --inputIOFormats={io} --outputIOFormats={io} {memory}"
            );
            assert_eq!(lines[2].command.as_deref(), Some(dla.as_str()), "{why}");
        }
    }

    #[test]
    fn fallback_and_memory_are_only_there_when_asked_for() {
        for gpu_fallback in [false, true] {
            let build = Build {
                onnx: Path::new("p.onnx"),
                gpu_fallback,
                effort: Effort::default(),
            };
            let lines = lines(Chip::Orin, Version(10, 3, 0), Precision::Fp16, &build);
            let has = |line: &Line, part: &str| line.command.as_ref().unwrap().contains(part);
            assert!(!has(&lines[0], "--allowGPUFallback"), "the GPU has none");
            assert_eq!(has(&lines[1], "--allowGPUFallback"), gpu_fallback);
            assert!(!has(&lines[1], "--memPoolSize"), "TensorRT's default");
        }
    }

    #[test]
    fn a_dla_that_the_version_lacks_is_refused_with_the_reason() {
        let build = Build {
            onnx: Path::new("p.onnx"),
            gpu_fallback: false,
            effort: Effort::default(),
        };
        let lines = lines(Chip::Xavier, Version(10, 3, 0), Precision::Fp16, &build);
        assert!(lines[0].command.is_some(), "the GPU runs it");
        assert!(lines[1].command.is_none());
        assert_ne!(lines[1].refused.as_deref().unwrap_or(""), "");
    }

    #[test]
    fn words_survive_a_shell() {
        let cases = [
            ("a-b_c=1.2,x:y/z", "a-b_c=1.2,x:y/z"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(rm)", "'$(rm)'"),
        ];
        for (word, want) in cases {
            assert_eq!(quoted(word), want);
        }
    }
}
