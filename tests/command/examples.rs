//! The examples: what each prints is what the program says too.

#[allow(dead_code)] // its `main`
#[path = "../../examples/board.rs"]
mod board;
#[allow(dead_code)] // its `main`
#[path = "../../examples/camera.rs"]
mod camera;
#[allow(dead_code)] // its `main`
#[path = "../../examples/serve.rs"]
mod serve;

use std::sync::Arc;

use crate::cli_support::{Folder, classifier, picture};
use camera::classify;
use tvm_dla::Session;

#[test]
fn classify_names_the_class_that_the_program_names() {
    let folder = Folder::new();
    picture(&folder.path("blue.png"), [0, 0, 90]);
    let session = Session::load(folder.path("net.dla")).unwrap();
    let (class, score) = classify::classify(&session, &folder.path("blue.png")).unwrap();
    let answer = folder.run("--json run net.dla --input blue.png --top 1").json();
    let top = &answer["results"][0]["top"][0];
    assert_eq!(top["class"], class);
    assert_eq!(top["score"].as_f64().unwrap() as f32, score);
    assert_eq!(session.graph(), &classifier());
}

#[test]
fn camera_answers_in_the_order_of_the_pictures() {
    let folder = Folder::new();
    let colours = [[0, 0, 90], [250, 0, 0], [0, 200, 0], [9, 9, 9]];
    let mut pictures = Vec::new();
    for (at, colour) in colours.into_iter().enumerate() {
        pictures.push(folder.path(&format!("{at}.png")));
        picture(&pictures[at], colour);
    }
    let session = Arc::new(Session::load(folder.path("net.dla")).unwrap());
    let classified = pictures.iter().map(|path| {
        let (class, _) = classify::classify(&session, path).unwrap();
        (path.clone(), class)
    });
    let want: Vec<_> = classified.collect();
    let mut seen = Vec::new();
    camera::watch(&session, &pictures, |path, class| {
        seen.push((path.to_path_buf(), class));
    })
    .unwrap();
    assert_eq!(seen, want);
}

#[test]
fn board_predicts_what_the_program_predicts() {
    let folder = Folder::new();
    let points = board::predict(&folder.path("net.dla"), "orin-nx", 16).unwrap();
    let answer = folder
        .run("--json simulate net.dla --board orin-nx --batch 16")
        .json();
    let rates = points.iter().map(|point| point.images_per_second);
    let theirs = answer["points"].as_array().unwrap().iter();
    let theirs = theirs.map(|point| point["images_per_second"].as_f64().unwrap());
    assert_eq!(rates.collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
}

#[test]
fn serve_answers_what_is_asked() {
    let folder = Folder::new();
    let session = Session::load(folder.path("net.dla")).unwrap();
    let answer = serve::serve_and_ask(session).unwrap();
    assert_eq!(answer["model_name"], "net");
    let output = &answer["outputs"][0];
    assert_eq!(output["shape"], serde_json::json!([1, 5]));
    // A classifier without biases says nothing of a row of zeros.
    assert_eq!(output["data"], serde_json::json!([0.0, 0.0, 0.0, 0.0, 0.0]));
}
