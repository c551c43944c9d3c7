//! How a picture becomes a network's input.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Affine;

/// Order of the colour channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// How a picture is brought to the input's height and width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Resized without regard to its aspect ratio.
    Stretch,
    /// The centred square of this fraction of the shorter side, resized.
    CenterCrop(f32),
}

/// `(value - mean) / std` per channel, for values 0 to 255.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    pub fit: Fit,
    /// Per channel, in the network's channel order.
    pub mean: [f32; 3],
    pub std: [f32; 3],
    pub channels: Channels,
}

impl Preprocess {
    /// Names that [`FromStr`] takes.
    pub const PRESETS: [&'static str; 4] = ["unit-symmetric", "efficientnet-lite", "imagenet", "none"];
    /// The fraction of a picture that ImageNet models are evaluated on.
    const CROP: Fit = Fit::CenterCrop(0.875);

    /// For an input that takes the pixels as these integers.
    pub fn of_bytes(affine: Affine) -> Preprocess {
        Preprocess::rgb([affine.zero_point as f32; 3], [1.0 / affine.scale; 3])
    }

    fn rgb(mean: [f32; 3], std: [f32; 3]) -> Preprocess {
        Preprocess {
            fit: Preprocess::CROP,
            mean,
            std,
            channels: Channels::Rgb,
        }
    }
}

impl FromStr for Preprocess {
    type Err = String;

    /// `unit-symmetric` maps to -1..1, `imagenet` is torchvision's mean and deviation, `none` keeps 0..255.
    fn from_str(text: &str) -> Result<Preprocess, String> {
        match text {
            "unit-symmetric" => Ok(Preprocess::rgb([127.5; 3], [127.5; 3])),
            "efficientnet-lite" => Ok(Preprocess::rgb([127.0; 3], [128.0; 3])),
            "imagenet" => Ok(Preprocess::rgb(
                [123.675, 116.28, 103.53],
                [58.395, 57.12, 57.375],
            )),
            "none" => Ok(Preprocess::rgb([0.0; 3], [1.0; 3])),
            other => Err(format!(
                "`{other}` is not a preprocessing: use {}",
                Preprocess::PRESETS.join(", ")
            )),
        }
    }
}
