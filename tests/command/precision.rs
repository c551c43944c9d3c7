//! `calibrate`, `accuracy` and `run --precision`: the way from images to an INT8 network, and every bad input on it.

use std::path::Path;

use crate::cli_support::{Folder, Run, bundle, classifier};
use tvm_dla::bundle::Bundle;
use tvm_dla::graph::{Activation, Conv2d, Graph, GraphBuilder, Op, Padding2d, PoolKind, TensorId};

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
    assert_eq!((&ours["images"], &ours["method"]), (&4.into(), &"max".into()));
    let again = photographs();
    calibrate(&again);
    let text = std::fs::read_to_string(again.path("net.calib")).unwrap();
    assert_eq!(text, cache, "the same images give the same file");
    for file in ["net.calib", "net.calib.json"] {
        let run = folder.run(&format!("--json run net.dla --input photos --calibration {file}"));
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
        ("int8.dla", "--calibration net.calib", "int8", "the artifact's"),
        ("int8.dla", "--precision fp16", "fp16", "named"),
    ];
    for (artifact, options, want, why) in cases {
        let run = folder.run(&format!("--json run {artifact} --input photos {options}"));
        let said = devices(&run);
        assert!(said.contains(&format!("computed in {want}")), "{why}: {said}");
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
        let line = format!("run net.dla --input x.npy --output {precision}.npy --precision {precision}");
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
    let mut nan = values(1.0);
    nan[[1, 0, 0, 0]] = f32::NAN;
    ndarray_npy::write_npy(folder.path("nan.npy"), &nan).unwrap();
    let mut padded = values(1.0);
    padded[[1, 0, 0, 0]] = -1e37;
    ndarray_npy::write_npy(folder.path("padded.npy"), &padded).unwrap();
    let wide = ndarray::ArrayD::from_elem(vec![2, 3, 7, 6], 1.0f32);
    ndarray_npy::write_npy(folder.path("wide.npy"), &wide).unwrap();
    folder.write("few.txt", b"0.png 1\n");
    folder.write("many.txt", b"0.png 1\n1.png 1\n2.png 1\n3.png 1\n4.png 1\n");
    folder.write("high.txt", b"0.png 1\n1.png 5\n");
    folder.write("cache.txt", b"TRT-8502-EntropyCalibration2\nx: 3c008912\n");
    let json = std::fs::read_to_string(folder.path("net.calib.json")).unwrap();
    folder.write(
        "zero.json",
        json.replace("\"relu\": ", "\"relu\": 0.0, \"was\": ").as_bytes(),
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
            "calibrate net.dla --npz nan.npy",
            &["row 1", "tensor `x` holds infinities or NaN"],
            "NaN",
        ),
        (
            "calibrate net.dla --npz padded.npy --method max",
            &["tensor `x`", "float32's limit"],
            "a constant that pads",
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
            assert!(run.stderr.contains(part), "{why}: `{line}` says {}", run.stderr);
        }
    }
    assert!(
        !folder.files().iter().any(|f| f.starts_with(".tmp")),
        "nothing half-written is left"
    );
}

#[test]
fn a_range_that_the_method_alone_does_not_give_is_remarked() {
    let folder = photographs();
    let zero = ndarray::ArrayD::from_elem(vec![2, 3, 6, 6], 0.0f32);
    ndarray_npy::write_npy(folder.path("zero.npy"), &zero).unwrap();
    let kinds = |answer: &serde_json::Value| -> Vec<(String, String)> {
        let remarks = answer["remarks"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
        remarks.map(|r| (text(&r["tensor"]), text(&r["kind"]))).collect()
    };
    let cases = [
        ("--npz zero.npy --method max", "x", "zero", "zero in every row: x"),
        (
            "--images photos",
            "dense",
            "few_values",
            "too few values for an entropy",
        ),
    ];
    for (options, tensor, kind, said) in cases {
        let run = folder
            .run(&format!("--json calibrate net.dla {options}"))
            .expect(0);
        let found = kinds(&run.json());
        let wanted = (tensor.to_string(), kind.to_string());
        assert!(found.contains(&wanted), "{options}: {found:?}");
        assert!(run.stderr.contains(said), "{options}: {}", run.stderr);
        folder
            .run("run net.dla --input photos --calibration net.calib")
            .expect(0);
    }
    let none = folder.run("--json calibrate net.dla --images photos --method max");
    assert_eq!(kinds(&none.json()), []);
}

#[test]
fn precisions_are_compared_in_a_table_as_json_and_on_a_page() {
    let folder = photographs();
    let line = "accuracy net.dla --images photos --labels labels.txt --method max --html report.html";
    let answer = folder.run(&format!("--json {line}")).json();
    let precisions = answer["precisions"].as_array().unwrap();
    let names: Vec<&str> = precisions
        .iter()
        .map(|p| p["precision"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["fp32", "fp16", "int8"]);
    assert_eq!(precisions[0]["agreeing"], 4, "float32 agrees with itself");
    assert!(precisions[0]["output_snr"].is_null());
    assert!(precisions[2]["output_snr"].as_f64().unwrap() > 10.0, "{answer:#}");
    assert!(
        precisions
            .iter()
            .all(|p| p["top1"].as_u64() <= p["top5"].as_u64())
    );
    let layers = answer["layers"].as_array().unwrap();
    let guilty = answer["guilty"].as_str().unwrap();
    assert!(layers.iter().any(|layer| layer["node"] == guilty));
    let text = folder.run(line).expect(0).stdout;
    for part in ["precision", "top-1", "as fp32", "emulated on the CPU", guilty] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    for mark in ["http:", "https:", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(mark), "the page asks for {mark}");
    }
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 2);
    assert!(page.contains("Not measured on a board"));
    if crate::browser_support::is_there() {
        crate::browser_support::light_and_dark(folder.0.path(), &folder.path("report.html"), 2600);
    }
}

/// `[out, channels of x, 1, 1]` of weights that are `value` and its multiples.
fn pointwise(b: &mut GraphBuilder, name: &str, x: TensorId, channels: [usize; 2], value: f32) -> TensorId {
    let weights = (0..channels[0] * channels[1]).map(|i| value * (1 + i % 3) as f32);
    let shape = [channels[0], channels[1], 1, 1];
    let w = b.weight(&format!("{name}_w"), &shape, weights.collect());
    let conv = Op::Conv2d(Conv2d {
        stride: [1, 1],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    });
    b.node(name, conv, &[x, w]).unwrap()
}

/// Activations of hundreds of thousands in the middle, beyond what FP16 holds, and of the order of one behind them.
fn overflowing() -> Graph {
    let mut b = GraphBuilder::new("overflowing");
    let x = b.input("x", &[2, 3, 6, 6]);
    let c = pointwise(&mut b, "large", x, [4, 3], 1e4);
    let r = b.node("relu", Op::Activation(Activation::Relu), &[c]).unwrap();
    let s = pointwise(&mut b, "small", r, [5, 4], 1e-5);
    let m = b.node("mean", Op::GlobalPool(PoolKind::Average), &[s]).unwrap();
    let y = b.node("flat", Op::Flatten, &[m]).unwrap();
    b.output(y);
    b.finish().unwrap()
}

/// A map of scores and one number per row: nothing that has classes.
fn detector() -> Graph {
    let mut b = GraphBuilder::new("detector");
    let x = b.input("x", &[2, 3, 6, 6]);
    let map = pointwise(&mut b, "map", x, [4, 3], 0.3);
    let m = b.node("mean", Op::GlobalPool(PoolKind::Average), &[map]).unwrap();
    b.output(map);
    b.output(m);
    b.finish().unwrap()
}

#[test]
fn a_weight_that_fp16_cannot_hold_is_named_and_the_comparison_goes_on() {
    let folder = photographs();
    let mut b = GraphBuilder::new("heavy");
    let x = b.input("x", &[2, 3, 6, 6]);
    let c = pointwise(&mut b, "small", x, [4, 3], 1e-4);
    let y = pointwise(&mut b, "heavy", c, [5, 4], 3e5);
    let m = b.node("mean", Op::GlobalPool(PoolKind::Average), &[y]).unwrap();
    b.output(m);
    let graph = b.finish().unwrap();
    folder.write("heavy.dla", &bundle(graph, "none").to_bytes());
    let line = "accuracy heavy.dla --images photos --method max --fp16-nodes heavy";
    let answer = folder.run(&format!("--json {line}")).json();
    for (at, clamped) in [(0, false), (1, true), (2, true)] {
        let row = &answer["precisions"][at];
        assert_eq!(row["clamped"][0] == "heavy", clamped, "{row}");
    }
    assert!(answer["precisions"][1]["output_snr"].is_number(), "{answer}");
    let text = folder.run(line).expect(0).stdout;
    assert!(
        text.contains("fp16 cannot hold a weight of heavy, beyond 65504"),
        "{text}"
    );
    let within = folder.run("--json accuracy heavy.dla --images photos --method max");
    let within = within.json();
    assert!(
        within["precisions"][2]["clamped"].is_null(),
        "int8 has a scale for it"
    );
}

#[test]
fn an_overflow_is_the_worst_and_its_layer_is_named() {
    let folder = photographs();
    folder.write("hot.dla", &bundle(overflowing(), "none").to_bytes());
    let line = "accuracy hot.dla --images photos --method max --html hot.html";
    let answer = folder.run(&format!("--json {line}")).json();
    let [float, half] = [0, 1].map(|at| &answer["precisions"][at]);
    assert_eq!(
        (&float["output"], &float["agreeing"]),
        (&"exact".into(), &4.into())
    );
    assert!(
        half["output"]["not_finite"]["values"].as_u64() > Some(0),
        "{half}"
    );
    assert_eq!(
        (&half["overflows_at"], &half["agreeing"]),
        (&"relu".into(), &0.into())
    );
    assert!(half["largest_difference"].is_null() && half["output_snr"].is_null());
    let layers = answer["layers"].as_array().unwrap();
    let half_of = |node: &str| &layers.iter().find(|l| l["node"] == node).unwrap()["fp16"];
    assert!(
        half_of("small")["not_finite"].is_object(),
        "behind it nothing is exact"
    );
    let text = folder.run(line).expect(0).stdout;
    assert!(
        text.contains("fp16 overflows at relu") && text.contains("inf or NaN"),
        "{text}"
    );
    let page = std::fs::read_to_string(folder.path("hot.html")).unwrap();
    assert!(page.contains("fp16 overflows at relu"));

    let run = |options: &str| {
        folder
            .run(&format!("run hot.dla --input photos {options}"))
            .expect(0)
    };
    let warned = run("--precision fp16").stderr;
    for part in [
        "20 of 20 output values are infinite or NaN, computed in fp16",
        "tvm-dla accuracy",
    ] {
        assert!(warned.contains(part), "`{part}` in {warned}");
    }
    assert_eq!(warned.matches("warning").count(), 1);
    assert!(!run("--precision fp32").stderr.contains("NaN"));
    let json = folder
        .run("--json run hot.dla --input photos --precision fp16")
        .json();
    assert_eq!(json["not_finite"]["values"], 20);
}

#[test]
fn any_network_is_compared_output_by_output() {
    let folder = photographs();
    folder.write("detector.dla", &bundle(detector(), "none").to_bytes());
    let line = "accuracy detector.dla --images photos --method max --html report.html";
    let answer = folder.run(&format!("--json {line}")).json();
    assert_eq!(answer["classifier"], false);
    for row in answer["precisions"].as_array().unwrap() {
        let outputs = row["outputs"].as_array().unwrap();
        assert_eq!((outputs.len(), row.get("agreeing")), (2, None), "{row}");
        assert_eq!(
            (&outputs[0]["name"], &outputs[0]["shape"]),
            (&"map".into(), &vec![4, 6, 6].into())
        );
        let [largest, most] = [&outputs[0]["largest_difference"], &row["largest_difference"]];
        assert!(largest.as_f64() <= most.as_f64(), "{row}");
        let exact = row["precision"] == "fp32";
        assert_eq!(outputs[1]["fidelity"] == "exact", exact, "{row}");
        assert_eq!(outputs[1]["snr"].as_f64() > Some(10.0), !exact, "{row}");
    }
    let text = folder.run(line).expect(0).stdout;
    for part in ["output SNR", "largest difference", "[4, 6, 6]", "4 images"] {
        assert!(text.contains(part), "`{part}` in {text}");
    }
    assert!(!text.contains("as fp32"), "{text}");
    let page = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert!(page.contains("[4, 6, 6]") && page.matches("<svg class=\"plot\"").count() == 1);
    let refused = folder
        .run("accuracy detector.dla --images photos --labels labels.txt")
        .expect(2);
    assert!(refused.stderr.contains("[2, 4, 6, 6]"), "{}", refused.stderr);
}
