//! Pictures as rows of a network's input.

use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};

use super::error::CliError;
use crate::bundle::{Channels, Fit, Preprocess};

/// Where the colours lie in the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `[N, 3, H, W]`
    Planar,
    /// `[N, H, W, 3]`
    Interleaved,
}

/// One picture's place in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub layout: Layout,
    pub height: usize,
    pub width: usize,
}

impl Frame {
    /// # Errors
    /// [`CliError::NoImageInput`] for a shape that is not that of RGB pictures.
    pub fn of(name: &str, shape: &[usize]) -> Result<Frame, CliError> {
        match *shape {
            [_, 3, height, width] => Ok(Frame {
                layout: Layout::Planar,
                height,
                width,
            }),
            [_, height, width, 3] => Ok(Frame {
                layout: Layout::Interleaved,
                height,
                width,
            }),
            _ => Err(CliError::NoImageInput(format!(
                "`{name}` has the shape {shape:?}, which is neither [N, 3, H, W] nor [N, H, W, 3]"
            ))),
        }
    }

    /// Elements of one row.
    pub fn len(&self) -> usize {
        3 * self.height * self.width
    }
}

/// The files that `path` names: itself, or the images in the folder, by name.
pub fn list(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| CliError::Unreadable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| has_extension(file, &["jpg", "jpeg", "png", "bmp"]))
        .collect();
    files.sort();
    match files.is_empty() {
        true => Err(CliError::EmptyFolder(path.to_path_buf())),
        false => Ok(files),
    }
}

pub fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    known
        .iter()
        .any(|name| name.eq_ignore_ascii_case(extension))
}

/// Decodes, fits and normalises one picture, appending [`Frame::len`] values to `row`.
pub fn read(
    path: &Path,
    frame: &Frame,
    how: &Preprocess,
    row: &mut Vec<f32>,
) -> Result<(), CliError> {
    let picture = fit(&decode(path)?, frame, how.fit);
    fill(&picture, frame, how, row);
    Ok(())
}

/// The picture as a viewer shows it: the camera's rotation is undone.
fn decode(path: &Path) -> Result<DynamicImage, CliError> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let reader = reader.map_err(|error| CliError::Unreadable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    let picture = || -> image::ImageResult<DynamicImage> {
        let mut decoder = reader.into_decoder()?;
        let orientation = decoder.orientation()?;
        let mut picture = DynamicImage::from_decoder(decoder)?;
        picture.apply_orientation(orientation);
        Ok(picture)
    };
    picture().map_err(|error| CliError::NotAnImage {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

fn fit(picture: &DynamicImage, frame: &Frame, fit: Fit) -> RgbImage {
    let (width, height) = (frame.width as u32, frame.height as u32);
    let cropped = match fit {
        Fit::Stretch => None,
        Fit::CenterCrop(part) => {
            let (x, y, w, h) = centre(picture.width(), picture.height(), frame, part);
            Some(picture.crop_imm(x, y, w, h))
        }
    };
    let source = cropped.as_ref().unwrap_or(picture);
    let resized = source.resize_exact(width, height, FilterType::Triangle);
    resized.into_rgb8()
}

/// The centred rectangle (x, y, width, height) with the frame's proportions that covers `part` of what would fit.
fn centre(width: u32, height: u32, frame: &Frame, part: f32) -> (u32, u32, u32, u32) {
    let scale = f64::min(
        f64::from(width) / frame.width as f64,
        f64::from(height) / frame.height as f64,
    );
    let scale = scale * f64::from(part);
    let side = |frame: usize, limit: u32| {
        let side = (frame as f64 * scale).round() as u32;
        side.clamp(1, limit)
    };
    let (w, h) = (side(frame.width, width), side(frame.height, height));
    ((width - w) / 2, (height - h) / 2, w, h)
}

fn fill(picture: &RgbImage, frame: &Frame, how: &Preprocess, row: &mut Vec<f32>) {
    let source = |channel: usize| match how.channels {
        Channels::Rgb => channel,
        Channels::Bgr => 2 - channel,
    };
    let value = |pixel: &image::Rgb<u8>, channel: usize| {
        (f32::from(pixel[source(channel)]) - how.mean[channel]) / how.std[channel]
    };
    row.reserve(frame.len());
    match frame.layout {
        Layout::Planar => {
            for channel in 0..3 {
                row.extend(picture.pixels().map(|pixel| value(pixel, channel)));
            }
        }
        Layout::Interleaved => {
            for pixel in picture.pixels() {
                row.extend((0..3).map(|channel| value(pixel, channel)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        layout: Layout::Planar,
        height: 2,
        width: 2,
    };

    #[test]
    fn the_crop_is_centred_and_has_the_frames_proportions() {
        let wide = Frame { width: 4, ..FRAME };
        let cases = [
            ((100, 100), FRAME, 1.0, (0, 0, 100, 100), "all of a square"),
            ((200, 100), FRAME, 1.0, (50, 0, 100, 100), "sides cut off"),
            ((100, 200), FRAME, 0.5, (25, 75, 50, 50), "half of it"),
            ((100, 100), wide, 1.0, (0, 25, 100, 50), "a wide frame"),
            ((1, 1), FRAME, 0.1, (0, 0, 1, 1), "never empty"),
        ];
        for ((width, height), frame, part, want, why) in cases {
            assert_eq!(centre(width, height, &frame, part), want, "{why}");
        }
    }

    #[test]
    fn colours_go_where_the_layout_and_the_channel_order_say() {
        let picture = RgbImage::from_fn(2, 2, |x, _| image::Rgb([10 + x as u8, 20, 30]));
        let rgb = Preprocess {
            fit: Fit::Stretch,
            mean: [0.0, 10.0, 0.0],
            std: [1.0, 1.0, 2.0],
            channels: Channels::Rgb,
        };
        let bgr = Preprocess {
            channels: Channels::Bgr,
            ..rgb.clone()
        };
        let interleaved = Frame {
            layout: Layout::Interleaved,
            ..FRAME
        };
        let cases: [(_, _, &[f32], _); 3] = [
            (
                FRAME,
                &rgb,
                &[10., 11., 10., 11., 10., 10., 10., 10., 15., 15., 15., 15.],
                "planes",
            ),
            (
                interleaved,
                &rgb,
                &[10., 10., 15., 11., 10., 15., 10., 10., 15., 11., 10., 15.],
                "pixels",
            ),
            (
                FRAME,
                &bgr,
                &[30., 30., 30., 30., 10., 10., 10., 10., 5., 5.5, 5., 5.5],
                "mean and deviation belong to the network's order",
            ),
        ];
        for (frame, how, want, why) in cases {
            let mut row = Vec::new();
            fill(&picture, &frame, how, &mut row);
            assert_eq!(row, want, "{why}");
        }
    }

    #[test]
    fn only_rgb_shapes_take_pictures() {
        assert_eq!(Frame::of("x", &[1, 3, 2, 2]).unwrap(), FRAME);
        let interleaved = Frame::of("x", &[8, 5, 7, 3]).unwrap();
        assert_eq!((interleaved.height, interleaved.width), (5, 7));
        for shape in [&[1, 1, 28, 28][..], &[1, 3], &[3, 224, 224, 4]] {
            let error = Frame::of("x", shape).unwrap_err().to_string();
            assert!(error.contains("`x`"), "{error}");
        }
    }
}
