//! Load an artifact, give it pictures, read its outputs.
//!
//! `cargo run --release --example classify -- model.tar picture.jpg`

use std::error::Error;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use tvm_dla::bundle::{Fit, Preprocess};
use tvm_dla::{Array, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [artifact, pictures @ ..] = &arguments[..] else {
        return Err("usage: classify ARTIFACT PICTURE...".into());
    };
    // TensorRT where its library and a GPU are, else every device emulated on the CPU.
    let session = Session::load(artifact)?;
    for picture in pictures {
        let (class, score) = classify(&session, picture)?;
        println!("{}: class {class} ({score:.3})", picture.display());
    }
    Ok(())
}

/// The best class of one picture and its score, as the network gives it.
pub fn classify(session: &Session, picture: &Path) -> Result<(usize, f32), Box<dyn Error>> {
    // One row; any other number of rows is as good, whatever batch the artifact was compiled for.
    let outcome = session.run(&[input(session, picture)?])?;
    Ok(best(&outcome.outputs[0].data).ok_or("the network gave nothing")?)
}

/// The largest of a row's scores, and where it is.
pub fn best(scores: &[f32]) -> Option<(usize, f32)> {
    let scores = scores.iter().copied().enumerate();
    scores.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// An RGB picture as `[1, 3, H, W]`, as the artifact says that pictures become input.
pub fn input(session: &Session, path: &Path) -> Result<Array, Box<dyn Error>> {
    let graph = session.graph();
    let shape = &graph.tensor(graph.inputs[0]).shape;
    let [_, 3, height, width] = shape[..] else {
        return Err(format!("the network's input {shape:?} is no RGB picture").into());
    };
    let how: Option<&Preprocess> = session.options().preprocess.as_ref();
    let how = how.ok_or("the artifact records no preprocessing")?;
    let mut picture = image::open(path)?;
    if let Fit::CenterCrop(part) = how.fit {
        let shorter = picture.width().min(picture.height());
        let side = ((shorter as f32 * part).round() as u32).max(1);
        let (x, y) = (picture.width() - side, picture.height() - side);
        picture = picture.crop_imm(x / 2, y / 2, side, side);
    }
    let picture = picture.resize_exact(width as u32, height as u32, FilterType::Triangle);
    let picture = picture.into_rgb8();
    let value = |channel: usize, pixel: &image::Rgb<u8>| {
        (f32::from(pixel[channel]) - how.mean[channel]) / how.std[channel]
    };
    let planes = (0..3).flat_map(|channel| picture.pixels().map(move |pixel| value(channel, pixel)));
    Ok(Array {
        shape: vec![1, 3, height, width],
        data: planes.collect::<Vec<f32>>().into(),
    })
}
