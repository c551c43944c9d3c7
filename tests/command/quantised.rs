//! `run` on a model that was quantised before TVM: its own integers, pictures as their bytes, INT8 with its own ranges.

use std::collections::BTreeMap;

use crate::cli_support::{Folder, bundle, classifier, picture};
use ndarray::{ArrayD, Axis};
use tvm_dla::bundle::{Affine, Integer, Origin, Port};

/// `quantised.dla`: the classifier, whose model takes uint8 with channels last, and brings a range for every tensor.
fn quantised() -> Folder {
    let folder = Folder::new();
    let mut bundle = bundle(classifier(), "none");
    bundle.options.preprocess = None;
    let activations = bundle.graph.tensors.iter().filter(|t| t.weight.is_none());
    let ranges = activations.map(|t| (t.name.clone(), 8.0));
    bundle.origin = Some(Origin {
        ranges: ranges.collect::<BTreeMap<_, _>>(),
        inputs: vec![Port {
            integer: Some(Affine {
                dtype: Integer::U8,
                scale: 0.5,
                zero_point: 4,
            }),
            axes: Some(vec![0, 3, 1, 2]),
        }],
        outputs: vec![Port::PLAIN],
    });
    folder.write("quantised.dla", &bundle.to_bytes());
    folder
}

/// Bytes 0 to 8 in the model's order of axes and in the network's, and the real numbers that they stand for in the
/// network's.
fn rows(folder: &Folder) -> ArrayD<u8> {
    let bytes: Vec<u8> = (0..3 * 6 * 6 * 3).map(|i| (i * 7 % 9) as u8).collect();
    let bytes = ArrayD::from_shape_vec(vec![3, 6, 6, 3], bytes).unwrap();
    let reals = bytes.mapv(|byte| (f32::from(byte) - 4.0) * 0.5);
    let reals = reals.permuted_axes(vec![0, 3, 1, 2]);
    let reals = reals.as_standard_layout().to_owned();
    ndarray_npy::write_npy(folder.path("bytes.npy"), &bytes).unwrap();
    ndarray_npy::write_npy(folder.path("reals.npy"), &reals).unwrap();
    let first = bytes.clone().permuted_axes(vec![0, 3, 1, 2]);
    let first = first.as_standard_layout().to_owned();
    ndarray_npy::write_npy(folder.path("first.npy"), &first).unwrap();
    let mut named = ndarray_npy::NpzWriter::new(std::fs::File::create(folder.path("bytes.npz")).unwrap());
    named.add_array("x", &bytes).unwrap();
    named.finish().unwrap();
    bytes
}

#[test]
fn the_models_own_integers_are_the_numbers_they_stand_for() {
    let folder = quantised();
    rows(&folder);
    let want = |precision: &str| {
        let line = format!("run quantised.dla --input reals.npy --output want.npy --precision {precision}");
        folder.run(&line).expect(0);
        folder.read("want.npy")
    };
    let plain = want("fp32");
    assert!(
        plain.iter().any(|v| *v != plain[[0, 0]]),
        "outputs differ, so that an order of axes shows"
    );
    for file in ["bytes.npy", "bytes.npz", "first.npy"] {
        let line = format!("run quantised.dla --input {file} --output got.npy --precision fp32");
        folder.run(&line).expect(0);
        assert_eq!(folder.read("got.npy"), plain, "{file}");
    }
}

#[test]
fn a_stream_takes_single_rows_of_integers() {
    let folder = quantised();
    let bytes = rows(&folder);
    let row = bytes.index_axis(Axis(0), 0).as_standard_layout().to_owned();
    ndarray_npy::write_npy(folder.path("row.npy"), &row).unwrap();
    folder
        .run("run quantised.dla --input reals.npy --output want.npy --precision fp32")
        .expect(0);
    folder
        .run("stream quantised.dla --source row.npy --output got.npy --precision fp32")
        .expect(0);
    let want = folder.read("want.npy");
    let want = want.index_axis(Axis(0), 0);
    assert_eq!(folder.read("got.npy").index_axis(Axis(0), 0), want);
}

#[test]
fn a_picture_is_the_bytes_of_a_model_that_takes_uint8() {
    let folder = quantised();
    picture(&folder.path("grey.png"), [200, 5, 4]);
    let reals = ArrayD::from_shape_fn(vec![1, 3, 6, 6], |at| [98.0f32, 0.5, 0.0][at[1]]);
    ndarray_npy::write_npy(folder.path("x.npy"), &reals).unwrap();
    for (input, output) in [("grey.png", "got.npy"), ("x.npy", "want.npy")] {
        let line = format!("run quantised.dla --input {input} --output {output} --precision fp32");
        folder.run(&line).expect(0);
    }
    assert_eq!(folder.read("got.npy"), folder.read("want.npy"));
}

#[test]
fn int8_takes_the_ranges_that_came_with_the_model() {
    let folder = quantised();
    rows(&folder);
    let line = "--json run quantised.dla --input reals.npy --output int8.npy --precision int8";
    let run = folder.run(line).json();
    assert_eq!(run["computed"]["precision"], "int8");
    folder
        .run("run quantised.dla --input reals.npy --output fp32.npy --precision fp32")
        .expect(0);
    let (rounded, exact) = (folder.read("int8.npy"), folder.read("fp32.npy"));
    assert_ne!(rounded, exact, "sums outside of the ranges saturate");
    let error = folder
        .run("run net.dla --input reals.npy --precision int8")
        .expect(2)
        .stderr;
    assert!(
        error.contains("int8 needs a range"),
        "a float model brings none: {error}"
    );
}

#[test]
fn integers_of_another_type_or_shape_are_refused() {
    let folder = quantised();
    let bytes = rows(&folder);
    ndarray_npy::write_npy(folder.path("signed.npy"), &bytes.mapv(|byte| byte as i8)).unwrap();
    ndarray_npy::write_npy(folder.path("wide.npy"), &bytes.mapv(i16::from)).unwrap();
    let flat = bytes.into_shape_with_order(vec![3, 108]).unwrap();
    ndarray_npy::write_npy(folder.path("flat.npy"), &flat).unwrap();
    let cases = [
        (
            "quantised.dla",
            "signed.npy",
            "holds int8, and input `x` takes uint8",
            "the other 8-bit type",
        ),
        (
            "quantised.dla",
            "wide.npy",
            "holds int16, and input `x` takes uint8",
            "no type that a model declares",
        ),
        (
            "quantised.dla",
            "flat.npy",
            "[3, 108] but must be [N, 6, 6, 3], as the model has it, or [N, 3, 6, 6], as the network has it",
            "neither order of axes",
        ),
        (
            "net.dla",
            "bytes.npy",
            "holds uint8, and input `x` takes float32",
            "a float model has no scale",
        ),
    ];
    for (model, file, said, why) in cases {
        let error = folder
            .run(&format!("run {model} --input {file}"))
            .expect(2)
            .stderr;
        assert!(error.contains(said), "{why}: {error}");
    }
}
