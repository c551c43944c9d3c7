//! Photographs as network input.

use std::error::Error;
use std::fmt::Display;
use std::io::{BufRead, Seek};
use std::path::Path;

use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, ImageResult, RgbImage};

use crate::bundle::{Channels, Fit, Preprocess};

/// Height and width of the network's input, and whether channels come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub height: usize,
    pub width: usize,
    pub channels_last: bool,
}

impl Frame {
    /// The frame of an input of this shape, when it holds pictures of three channels.
    pub fn of(shape: &[usize]) -> Option<Frame> {
        match *shape {
            [_, 3, height, width] => Some(Frame {
                height,
                width,
                channels_last: false,
            }),
            [_, height, width, 3] => Some(Frame {
                height,
                width,
                channels_last: true,
            }),
            _ => None,
        }
    }
}

/// One row of input from a picture file.
pub fn row(path: &Path, frame: Frame, preprocess: &Preprocess) -> Result<Vec<f32>, Box<dyn Error>> {
    let reader = ImageReader::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    row_of(reader, &path.display(), frame, preprocess)
}

/// One row of input from what `name` calls a picture.
pub fn row_of<R: BufRead + Seek>(
    reader: ImageReader<R>,
    name: &dyn Display,
    frame: Frame,
    preprocess: &Preprocess,
) -> Result<Vec<f32>, Box<dyn Error>> {
    let unreadable = |e: &dyn Error| format!("{name} is not a picture: {e}");
    let reader = reader.with_guessed_format().map_err(|e| unreadable(&e))?;
    let picture = upright(reader).map_err(|e| unreadable(&e))?;
    Ok(normalise(&fit(picture, frame, preprocess.fit), frame, preprocess))
}

/// The picture as a viewer shows it: turned as the camera noted.
fn upright<R: BufRead + Seek>(reader: ImageReader<R>) -> ImageResult<DynamicImage> {
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn fit(picture: DynamicImage, frame: Frame, fit: Fit) -> RgbImage {
    let (width, height) = (frame.width as u32, frame.height as u32);
    let picture = match fit {
        Fit::Stretch => picture,
        Fit::CenterCrop(fraction) => {
            let shorter = picture.width().min(picture.height());
            let side = ((shorter as f32 * fraction).round() as u32).max(1);
            let left = (picture.width() - side) / 2;
            let top = (picture.height() - side) / 2;
            picture.crop_imm(left, top, side, side)
        }
    };
    picture
        .resize_exact(width, height, FilterType::Triangle)
        .to_rgb8()
}

fn normalise(picture: &RgbImage, frame: Frame, preprocess: &Preprocess) -> Vec<f32> {
    let area = frame.height * frame.width;
    let mut row = vec![0.0; 3 * area];
    for (place, pixel) in picture.pixels().enumerate() {
        for channel in 0..3 {
            let source = match preprocess.channels {
                Channels::Rgb => channel,
                Channels::Bgr => 2 - channel,
            };
            let value = f32::from(pixel.0[source]);
            let at = if frame.channels_last {
                place * 3 + channel
            } else {
                channel * area + place
            };
            row[at] = (value - preprocess.mean[channel]) / preprocess.std[channel];
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn channels_and_normalisation_land_where_the_network_reads_them() {
        let picture = RgbImage::from_pixel(2, 1, Rgb([10, 20, 30]));
        let mut preprocess: Preprocess = "none".parse().unwrap();
        preprocess.std = [1.0, 2.0, 10.0];
        let frame = |shape: &[usize]| Frame::of(shape).unwrap();
        let first = normalise(&picture, frame(&[1, 3, 1, 2]), &preprocess);
        assert_eq!(first, [10.0, 10.0, 10.0, 10.0, 3.0, 3.0]);
        let last = normalise(&picture, frame(&[1, 1, 2, 3]), &preprocess);
        assert_eq!(last, [10.0, 10.0, 3.0, 10.0, 10.0, 3.0]);
        preprocess.channels = Channels::Bgr;
        let bgr = normalise(&picture, frame(&[1, 3, 1, 2]), &preprocess);
        assert_eq!(bgr, [30.0, 30.0, 10.0, 10.0, 1.0, 1.0]);
        assert_eq!(Frame::of(&[1, 10]), None);
    }

    #[test]
    fn a_centre_crop_drops_the_border() {
        let mut picture = RgbImage::from_pixel(8, 4, Rgb([0, 0, 0]));
        for (x, y) in [(3, 1), (4, 1), (3, 2), (4, 2)] {
            picture.put_pixel(x, y, Rgb([200, 200, 200]));
        }
        let frame = Frame::of(&[1, 3, 2, 2]).unwrap();
        let cropped = fit(picture.clone().into(), frame, Fit::CenterCrop(0.5));
        assert!(cropped.pixels().all(|p| p.0 == [200; 3]), "{cropped:?}");
        let whole = fit(picture.into(), frame, Fit::Stretch);
        assert!(whole.pixels().all(|p| p.0[0] < 200), "{whole:?}");
    }
}
