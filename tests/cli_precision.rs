//! `calibrate`, `accuracy` and `run --precision`: the way from images to an INT8 network, and every bad input on it.

mod browser_support;
mod cli_support;

use std::path::Path;

use cli_support::{bundle, classifier, Folder, Run};
use tvm_dla::bundle::Bundle;
use tvm_dla::graph::Graph;

fn picture(path: &Path, colour: [u8; 3]) {
    image::RgbImage::from_fn(8, 8, |x, y| {
        image::Rgb(colour.map(|c| c.wrapping_add((x * 31 + y * 7) as u8)))
    })
    .save(path)
    .unwrap();
}

/// `net.dla`, and four pictures in `photos` with labels.
fn photographs() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("photos")).unwrap();
    let mut labels = String::from("# file, class\n");
    for (at, colour) in [[200, 0, 0], [0, 200, 0], [0, 0, 200], [90, 90, 90]]
        .iter()
        .enumerate()
    {
        picture(&folder.path(&format!("photos/{at}.png")), *colour);
        labels += &format!("{at}.png {at}\n");
    }
    folder.write("labels.txt", labels.as_bytes());
    folder
}

fn calibrate(folder: &Folder) {
    folder
        .run("calibrate net.dla --images photos --method max")
        .expect(0);
}

fn devices(run: &Run) -> String {
    run.json()["devices"].as_str().unwrap().to_string()
}

#[test]
fn calibration_writes_what_trtexec_and_run_read() {
    let folder = photographs();
    let answer = folder
        .run("--json calibrate net.dla --images photos --method max")
        .json();
    assert_eq!(answer["rows"], 4);
    let cache = std::fs::read_to_string(folder.path("net.calib")).unwrap();
    let mut lines = cache.lines();
    assert_eq!(lines.next(), Some("TRT-8502-EntropyCalibration2"));
    let names: Vec<&str> = lines.map(|l| l.split_once(": ").unwrap().0).collect();
    let tensors = answer["tensors"].as_array().unwrap();
    assert_eq!(names.len(), tensors.len());
    assert!(names.contains(&"x") && names.contains(&"relu"), "{names:?}");
    let ours = std::fs::read_to_string(folder.path("net.calib.json")).unwrap();
    let ours: serde_json::Value = serde_json::from_str(&ours).unwrap();
    assert_eq!(ours["network"], answer["network"]);
    assert_eq!(
        (&ours["images"], &ours["method"]),
        (&4.into(), &"max".into())
    );
    let again = photographs();
    calibrate(&again);
    let text = std::fs::read_to_string(again.path("net.calib")).unwrap();
    assert_eq!(text, cache, "the same images give the same file");
    for file in ["net.calib", "net.calib.json"] {
        let run = folder.run(&format!(
            "--json run net.dla --input photos --calibration {file}"
        ));
        let said = devices(&run);
        assert!(said.contains("computed in int8"), "{file}: {said}");
        assert_eq!(run.json()["computed"]["precision"], "int8");
    }
}

#[test]
fn a_network_runs_in_the_precision_it_was_compiled_for_or_in_the_one_named() {
    let folder = photographs();
    calibrate(&folder);
    let int8 = folder.path("int8.dla");
    let mut eight = bundle(classifier(), "none");
    eight.options.target.precision = "int8".parse().unwrap();
    std::fs::write(int8, eight.to_bytes()).unwrap();
    let cases = [
        ("net.dla", "", "fp16", "the artifact's"),
        ("net.dla", "--precision fp32", "float32", "named"),
        ("net.dla", "--precision fp16", "fp16", "named"),
        (
            "net.dla",
            "--calibration net.calib",
            "int8",
            "a calibration is for int8",
        ),
        (
            "int8.dla",
            "--calibration net.calib",
            "int8",
            "the artifact's",
        ),
        ("int8.dla", "--precision fp16", "fp16", "named"),
    ];
    for (artifact, options, want, why) in cases {
        let run = folder.run(&format!("--json run {artifact} --input photos {options}"));
        let said = devices(&run);
        assert!(
            said.contains(&format!("computed in {want}")),
            "{why}: {said}"
        );
    }
    let kept = "--calibration net.calib --fp16-nodes dense";
    let run = folder.run(&format!("--json run net.dla --input photos {kept}"));
    let half = &run.json()["computed"]["fp16"][0];
    assert_eq!(
        (&half["node"], &half["reason"]),
        (&"dense".into(), &"asked for".into())
    );
}

/// Small integers are exact in every precision whose steps they are multiples of: FP16 up to 2048.
#[test]
fn small_integers_are_the_same_in_fp16() {
    let folder = Folder::new();
    folder.npy("x.npy", &[6, 3, 6, 6]);
    for precision in ["fp32", "fp16"] {
        let line =
            format!("run net.dla --input x.npy --output {precision}.npy --precision {precision}");
        folder.run(&line).expect(0);
    }
    assert_eq!(folder.read("fp32.npy"), folder.read("fp16.npy"));
}

/// One more output than the classifier has, from weights of which one is changed.
fn other() -> Bundle {
    let mut graph: Graph = classifier();
    let weight = graph.tensors.iter_mut().find(|t| t.weight.is_some());
    let bytes = weight.unwrap().weight.as_mut().unwrap();
    std::sync::Arc::make_mut(bytes)[3] ^= 0x80;
    bundle(graph, "none")
}

#[test]
fn bad_input_is_refused_by_name() {
    let folder = photographs();
    calibrate(&folder);
    folder.write("other.dla", &other().to_bytes());
    std::fs::create_dir(folder.path("empty")).unwrap();
    std::fs::create_dir(folder.path("broken")).unwrap();
    picture(&folder.path("broken/a.png"), [1, 2, 3]);
    folder.write("broken/b.png", b"no picture");
    let values = |value: f32| ndarray::ArrayD::from_elem(vec![2, 3, 6, 6], value);
    ndarray_npy::write_npy(folder.path("zero.npy"), &values(0.0)).unwrap();
    let mut nan = values(1.0);
    nan[[1, 0, 0, 0]] = f32::NAN;
    ndarray_npy::write_npy(folder.path("nan.npy"), &nan).unwrap();
    let wide = ndarray::ArrayD::from_elem(vec![2, 3, 7, 6], 1.0f32);
    ndarray_npy::write_npy(folder.path("wide.npy"), &wide).unwrap();
    folder.write("few.txt", b"0.png 1\n");
    folder.write("many.txt", b"0.png 1\n1.png 1\n2.png 1\n3.png 1\n4.png 1\n");
    folder.write("high.txt", b"0.png 1\n1.png 5\n");
    folder.write("cache.txt", b"TRT-8502-EntropyCalibration2\nx: 3c008912\n");
    let json = std::fs::read_to_string(folder.path("net.calib.json")).unwrap();
    folder.write(
        "zero.json",
        json.replace("\"relu\": ", "\"relu\": 0.0, \"was\": ")
            .as_bytes(),
    );
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "calibrate net.dla --images empty",
            &["empty has no"],
            "an empty folder",
        ),
        (
            "calibrate net.dla --images broken",
            &["broken/b.png is not a picture"],
            "unreadable",
        ),
        (
            "calibrate net.dla --npz zero.npy",
            &["tensor `x` is zero"],
            "all zero",
        ),
        (
            "calibrate net.dla --npz nan.npy",
            &["row 1", "tensor `x` holds infinities or NaN"],
            "NaN",
        ),
        (
            "calibrate net.dla --npz wide.npy",
            &["wide.npy", "[2, 3, 7, 6]"],
            "another shape",
        ),
        ("calibrate net.dla", &["--images"], "nothing given"),
        (
            "calibrate net.dla --images photos --method kl",
            &["entropy, max"],
            "no such method",
        ),
        (
            "accuracy net.dla --images photos --labels few.txt",
            &["no label for", "1.png"],
            "too few labels",
        ),
        (
            "accuracy net.dla --images photos --labels many.txt",
            &["many.txt: line 5", "4.png"],
            "too many",
        ),
        (
            "accuracy net.dla --images photos --labels high.txt",
            &["line 2: class 5"],
            "no such class",
        ),
        ("accuracy net.dla --npz nan.npy", &["row 1", "`x`"], "NaN"),
        (
            "run net.dla --input photos --precision int8",
            &["no calibration", "tvm-dla calibrate"],
            "no ranges",
        ),
        (
            "run net.dla --input photos --calibration cache.txt",
            &["tensor `relu` has no range"],
            "a range missing",
        ),
        (
            "run net.dla --input photos --calibration zero.json",
            &["zero.json", "`relu`", "range 0"],
            "a range of zero",
        ),
        (
            "run other.dla --input photos --calibration net.calib.json",
            &["net.calib.json", "another network", "digest"],
            "another network",
        ),
        (
            "run net.dla --input photos --calibration labels.txt",
            &["labels.txt", "calibration cache"],
            "another file",
        ),
        (
            "run net.dla --input photos --calibration none.txt",
            &["none.txt"],
            "no file",
        ),
        (
            "run net.dla --input photos --precision fp16 --calibration net.calib",
            &["fp16 needs none"],
            "no int8",
        ),
        (
            "run net.dla --input photos --calibration net.calib --fp16-nodes dens",
            &["nearest is `dense`"],
            "no such node",
        ),
        (
            "run net.dla --input photos --fp16-nodes dense",
            &["--fp16-nodes"],
            "fp16 anyway",
        ),
        (
            "run net.dla --input photos --precision half",
            &["fp32, fp16 or int8"],
            "no such precision",
        ),
    ];
    for (line, parts, why) in cases {
        let run = folder.run(line).expect(2);
        for part in *parts {
            assert!(
                run.stderr.contains(part),
                "{why}: `{line}` says {}",
                run.stderr
            );
        }
    }
    assert!(
        !folder.files().iter().any(|f| f.starts_with(".tmp")),
        "nothing half-written is left"
    );
}

#[test]
fn precisions_are_compared_in_a_table_as_json_and_on_a_page() {
    let folder = photographs();
    let line =
        "accuracy net.dla --images photos --labels labels.txt --method max --html report.html";
    let answer = folder.run(&format!("--json {line}")).json();
    let precisions = answer["precisions"].as_array().unwrap();
    let names: Vec<&str> = precisions
        .iter()
        .map(|p| p["precision"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["fp32", "fp16", "int8"]);
    assert_eq!(precisions[0]["agreeing"], 4, "float32 agrees with itself");
    assert!(precisions[0]["output_snr"].is_null());
    assert!(
        precisions[2]["output_snr"].as_f64().unwrap() > 10.0,
        "{answer:#}"
    );
    assert!(precisions
        .iter()
        .all(|p| p["top1"].as_u64() <= p["top5"].as_u64()));
    let layers = answer["layers"].as_array().unwrap();
    let guilty = answer["guilty"].as_str().unwrap();
    assert!(layers.iter().any(|layer| layer["node"] == guilty));
    let text = folder.run(line).expect(0).stdout;
    for part in [
        "precision",
        "top-1",
        "as fp32",
        "emulated on the CPU",
        guilty,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    for mark in ["http:", "https:", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(mark), "the page asks for {mark}");
    }
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 2);
    assert!(page.contains("Not measured on a board"));
    if browser_support::is_there() {
        browser_support::light_and_dark(folder.0.path(), &folder.path("report.html"), 2600);
    }
}
