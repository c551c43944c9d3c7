//! A stream: pictures go in one by one as a camera would send them, answers come out in the same order.
//!
//! `cargo run --release --example camera -- model.tar folder/`

#[allow(dead_code)] // its `main`
#[path = "classify.rs"]
pub mod classify;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tvm_dla::engine::Rows;
use tvm_dla::pipeline::StreamItem;
use tvm_dla::session::SessionStream;
use tvm_dla::{Session, StreamConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [artifact, folder] = &arguments[..] else {
        return Err("usage: camera ARTIFACT FOLDER".into());
    };
    let mut pictures: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        pictures.push(entry?.path());
    }
    pictures.retain(|path| path.extension().is_some_and(|e| e == "png" || e == "jpg"));
    pictures.sort();
    let session = Arc::new(Session::load(artifact)?);
    watch(&session, &pictures, |picture, class| {
        println!("{}: class {class}", picture.display());
    })
}

/// Calls `seen` with every picture and its class, in the order of `pictures`.
pub fn watch(
    session: &Arc<Session>,
    pictures: &[PathBuf],
    mut seen: impl FnMut(&Path, usize),
) -> Result<(), Box<dyn Error>> {
    // With `max_latency` devices wait for company as long as every item keeps its bound.
    let stream = session.stream::<PathBuf>(&StreamConfig::default())?;
    let SessionStream { input, answers, .. } = stream;
    thread::scope(|scope| {
        // A stream holds so many items: it has to be read while it is written.
        let camera = scope.spawn(move || {
            for picture in pictures {
                let row = classify::input(session, picture).map_err(|e| e.to_string())?;
                let item = StreamItem {
                    inputs: vec![Rows {
                        len: row.data.len(),
                        data: row.data,
                        offset: 0,
                    }],
                    arrived: Instant::now(),
                    tag: picture.clone(),
                };
                input.send(item).map_err(|refused| refused.to_string())?;
            }
            Ok::<(), String>(())
        });
        for answer in answers {
            let outputs = answer.outputs?;
            let (class, _) = classify::best(outputs[0].as_slice()).ok_or("no scores")?;
            seen(&answer.tag, class);
        }
        Ok(camera.join().map_err(|_| "the camera's thread panicked")??)
    })
}
