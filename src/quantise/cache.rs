//! TensorRT's calibration cache, as trtexec's `--calib` and `IInt8EntropyCalibrator2` read and write it.
//!
//! A header line `TRT-<version>-EntropyCalibration2`, then one line `<tensor>: <scale>` per tensor, where the scale is
//! the range / 127 as eight hexadecimal digits of its float32 bits, most significant first. NVIDIA shows a sample in
//! the README of sampleINT8.

use crate::engine::precision::{RangeError, Ranges};
use crate::split::Version;

/// The only algorithm that a DLA takes; TensorRT asks for another calibration when the name differs.
const ALGORITHM: &str = "EntropyCalibration2";

/// Text that is no calibration cache.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CacheError {
    #[error("the first line is `{0}` instead of `TRT-<version>-{ALGORITHM}`")]
    Header(String),
    #[error("line {line} is `{text}` instead of `<tensor>: <8 hexadecimal digits>`")]
    Line { line: usize, text: String },
    #[error("line {line}: tensor `{tensor}` is there twice")]
    Twice { line: usize, tensor: String },
    #[error("line {line}: {error}")]
    Range { line: usize, error: RangeError },
}

/// The cache for a TensorRT version; it refuses the table of another one.
pub fn write(ranges: &Ranges, version: Version) -> String {
    let mut text = format!("TRT-{}-{ALGORITHM}\n", number(version));
    for (tensor, max) in ranges.iter() {
        let scale = max / Ranges::STEPS;
        text += &format!("{tensor}: {:08x}\n", scale.to_bits());
    }
    text
}

/// `8502` for 8.5.2 and, since version 10, `100300` for 10.3: `NV_TENSORRT_VERSION`.
fn number(Version(major, minor, patch): Version) -> u32 {
    if major >= 10 {
        major * 10_000 + minor * 100 + patch
    } else {
        major * 1_000 + minor * 100 + patch
    }
}

/// The ranges of a cache of any version. Other algorithms' tables have the same form and are taken too.
///
/// # Errors
/// [`CacheError`] says in which line the text is no cache.
pub fn read(text: &str) -> Result<Ranges, CacheError> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map_or("", |(_, header)| header);
    let parts: Vec<&str> = header.splitn(3, '-').collect();
    let numbered = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match parts[..] {
        ["TRT", version, algorithm] if numbered(version) && algorithm.contains("Calibration") => {}
        _ => return Err(CacheError::Header(header.to_string())),
    }
    let mut ranges = Ranges::default();
    for (at, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let line = at + 1;
        let (tensor, scale) = entry(text).ok_or_else(|| CacheError::Line {
            line,
            text: text.to_string(),
        })?;
        if ranges.get(tensor).is_some() {
            let tensor = tensor.to_string();
            return Err(CacheError::Twice { line, tensor });
        }
        let inserted = ranges.insert(tensor, scale * Ranges::STEPS);
        inserted.map_err(|error| CacheError::Range { line, error })?;
    }
    Ok(ranges)
}

/// Names may hold `: ` themselves.
fn entry(text: &str) -> Option<(&str, f32)> {
    let (tensor, scale) = text.trim_end().rsplit_once(": ")?;
    let digits = scale.len() == 8 && scale.chars().all(|c| c.is_ascii_hexdigit());
    let bits = u32::from_str_radix(scale, 16).ok().filter(|_| digits)?;
    (!tensor.is_empty()).then_some((tensor, f32::from_bits(bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample that NVIDIA publishes with sampleINT8.
    const PUBLISHED: &str = "TRT-7000-EntropyCalibration2
data: 3c008912
conv1: 3c88edfc
pool1: 3c88edfc
conv2: 3ddc858b
pool2: 3ddc858b
ip1: 3db6bd6e
ip2: 3e691968
prob: 3c010a14
";

    #[test]
    fn the_published_sample_is_read_and_written_again() {
        let ranges = read(PUBLISHED).unwrap();
        assert_eq!(ranges.len(), 8);
        let scale = f32::from_bits(0x3c00_8912);
        assert!((0.00784..0.00785).contains(&scale), "pixels 0 to 1 in 127 steps");
        assert_eq!(ranges.get("data"), Some(scale * 127.0));
        assert_eq!(
            ranges.get("conv1"),
            ranges.get("pool1"),
            "pooling keeps its scale"
        );
        let again = read(&write(&ranges, Version(7, 0, 0))).unwrap();
        for (tensor, max) in ranges.iter() {
            let near = (again.get(tensor).unwrap() / max - 1.0).abs() < 3e-7;
            assert!(near, "{tensor}: a scale is the range divided, within a rounding");
        }
        let text = write(&ranges, Version(7, 0, 0));
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(|l| l[..l.len() - 1].into()).collect();
            lines[1..].sort();
            lines
        };
        assert_eq!(
            lines(&text),
            lines(PUBLISHED),
            "but for the last bit of a rounding"
        );
    }

    #[test]
    fn versions_are_numbered_as_tensorrt_numbers_them() {
        let cases = [
            (Version(8, 5, 2), "TRT-8502-EntropyCalibration2\n"),
            (Version(10, 3, 0), "TRT-100300-EntropyCalibration2\n"),
        ];
        for (version, header) in cases {
            assert_eq!(write(&Ranges::default(), version), header);
        }
    }

    #[test]
    fn damage_is_named_with_its_line() {
        let with = |line: &str| format!("TRT-8502-EntropyCalibration2\nx: 3c008912\n{line}\n");
        let cases = [
            ("".to_string(), "first line is ``", "an empty file"),
            ("x: 3c008912\n".to_string(), "first line", "no header"),
            ("TRT-x-EntropyCalibration2\n".to_string(), "TRT-x", "no version"),
            (with("y 3c008912"), "line 3", "no colon"),
            (with("y: 3c0089"), "line 3", "too few digits"),
            (with("y: +c008912"), "line 3", "a sign is no digit"),
            (with("x: 3c008912"), "`x` is there twice", "two scales"),
            (
                with("y: 00000000"),
                "line 3: tensor `y` has the range 0",
                "an all-zero tensor",
            ),
            (with("y: 7fc00000"), "line 3: tensor `y` has the range NaN", "NaN"),
            (with("y: bc008912"), "line 3: tensor `y`", "negative"),
            (with("y: 7f800000"), "the range inf", "infinity"),
            (with("y: 7b810204"), "float32's limit", "a constant that pads"),
        ];
        for (text, want, why) in cases {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(want), "{why}: {error}");
        }
        let named = read(&with("(Unnamed Layer* 4) [Fully: Connected]_output: 3d65992f"));
        assert_eq!(named.unwrap().len(), 2, "names hold almost anything");
    }
}
