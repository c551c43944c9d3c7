//! `tvm-dla run`, `plan` and `bench` as a user calls them.

use crate::cli_support::{Folder, bundle, headed, picture, sum, without_batch};
use tvm_dla::graph::{Activation, DType, Op};

#[test]
fn every_plan_writes_the_same_outputs() {
    let folder = Folder::new();
    folder.npy("x.npy", &[40, 3, 6, 6]);
    folder
        .run("run net.dla --input x.npy --devices gpu --output alone.npy")
        .expect(0);
    let alone = folder.read("alone.npy");
    assert_eq!(alone.shape(), [40, 5]);
    let cases = [
        ("", "the default plan"),
        ("--devices gpu,dla1", "two devices"),
        ("--plan gpu=4x4,dla0=4x3,dla1=4x3,suffix=40", "the paper's form"),
        ("--plan dla0=8x5,suffix=8", "one DLA"),
    ];
    for (options, why) in cases {
        let line = format!("run net.dla --input x.npy --output y.npy {options}");
        folder.run(&line).expect(0);
        assert_eq!(folder.read("y.npy"), alone, "{why}");
    }
}

#[test]
fn json_says_what_was_run_where_and_with_what_result() {
    let folder = Folder::new();
    folder.npy("x.npy", &[3, 3, 6, 6]);
    folder.write("labels.txt", b"a\nb\nc\nd\ne\n");
    let line = "--json run net.dla --input x.npy --batch 48 --labels labels.txt --top 2";
    let answer = folder.run(line).json();
    assert_eq!(
        (answer["version"].as_u64(), answer["rows"].as_u64()),
        (Some(1), Some(48))
    );
    let devices = answer["stats"]["devices"].as_object().unwrap();
    let rows: u64 = devices.values().map(|d| d["rows"].as_u64().unwrap()).sum();
    assert_eq!((devices.len(), rows), (3, 48), "every row, on three devices");
    let text = answer["devices"].as_str().unwrap();
    assert!(
        text.contains("emulated on the CPU") && text.contains("float32"),
        "{text}"
    );
    assert!(answer["images_per_second"].as_f64().unwrap() > 0.0);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 3, "the rows given, not those repeated");
    let top = results[0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 2);
    assert!(top[0]["score"].as_f64() >= top[1]["score"].as_f64(), "best first");
    let class = top[0]["class"].as_u64().unwrap() as usize;
    assert_eq!(top[0]["label"], ["a", "b", "c", "d", "e"][class]);
}

#[test]
fn people_read_labels_plan_devices_and_speed() {
    let folder = Folder::new();
    picture(&folder.path("red.png"), [200, 0, 0]);
    let run = folder.run("run net.dla --input red.png --batch 32").expect(0);
    for part in [
        "red.png",
        "emulated on the CPU",
        "gpu=",
        "images/s",
        "busy",
        "32 rows",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    assert!(
        run.stderr.contains("repeated in turn to a batch of 32"),
        "{}",
        run.stderr
    );
    let quiet = folder
        .run("--quiet run net.dla --input red.png --batch 32")
        .expect(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_folder_of_pictures_is_its_pictures_by_name() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("pictures")).unwrap();
    picture(&folder.path("pictures/b.PNG"), [9, 9, 9]);
    picture(&folder.path("pictures/a.bmp"), [0, 80, 0]);
    folder.write("pictures/notes.txt", b"not a picture, and not taken");
    let answer = folder.run("--json run net.dla --input pictures").json();
    let results = answer["results"].as_array().unwrap();
    let names: Vec<&str> = results.iter().map(|r| r["input"].as_str().unwrap()).collect();
    assert_eq!(names, ["pictures/a.bmp", "pictures/b.PNG"]);
}

#[test]
fn an_archive_gives_inputs_by_name() {
    let folder = Folder::new();
    folder.write("sum.dla", &bundle(sum(), "none").to_bytes());
    let file = std::fs::File::create(folder.path("x.npz")).unwrap();
    let mut archive = ndarray_npy::NpzWriter::new(file);
    let right = ndarray::arr2(&[[10.0f32, 20.0]]);
    let left = ndarray::arr2(&[[1.0f32, 2.0]]);
    archive.add_array("right", &right).unwrap();
    archive.add_array("left", &left).unwrap();
    archive.finish().unwrap();
    folder.run("run sum.dla --input x.npz --output y.npy").expect(0);
    let sum: Vec<f32> = folder.read("y.npy").into_iter().collect();
    assert_eq!(sum, [11.0, 22.0]);
}

#[test]
fn a_printed_plan_can_be_given_back() {
    let folder = Folder::new();
    folder.npy("x.npy", &[48, 3, 6, 6]);
    let text = folder.run("--quiet plan net.dla --batch 48").expect(0).stdout;
    assert!(text.contains("dla1="), "{text}");
    let file = folder.run("--json plan net.dla --batch 48").expect(0).stdout;
    folder.write("plan.json", file.as_bytes());
    for plan in [text.trim(), "plan.json"] {
        let line = format!("--json run net.dla --input x.npy --plan {plan}");
        assert_eq!(folder.run(&line).json()["plan"], text.trim(), "{plan}");
    }
}

#[test]
fn bench_compares_plans_in_one_run_and_says_what_its_figures_are() {
    let folder = Folder::new();
    folder.npy("x.npy", &[3, 3, 6, 6]);
    let line = "--json bench net.dla --batch 48 --repeats 3 --input x.npy";
    let answer = folder.run(line).json();
    let rate = |plan: &str, what: &str| answer[plan]["images_per_second"][what].as_f64().unwrap();
    for plan in ["gpu_only", "shared", "best"] {
        let [min, median, max] = ["min", "median", "max"].map(|what| rate(plan, what));
        assert!(0.0 < min && min <= median && median <= max, "{plan}");
    }
    let ratio = rate("shared", "median") / rate("gpu_only", "median");
    assert!((answer["ratio"].as_f64().unwrap() - ratio).abs() < 1e-9);
    let text = folder
        .run("bench net.dla --batch 48 --repeats 1")
        .expect(0)
        .stdout;
    for part in [
        "GPU alone",
        "plain run",
        "best known",
        "emulated on the CPU",
        "not a figure of a board",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_trace_says_what_ran_when() {
    let folder = Folder::new();
    folder.npy("x.npy", &[12, 3, 6, 6]);
    let line =
        "run net.dla --input x.npy --plan gpu=2x3,dla0=3x2,suffix=12 --trace t.json --gantt t.svg --json";
    folder.run(line).json();
    let picture = std::fs::read_to_string(folder.path("t.svg")).unwrap();
    assert_eq!(
        picture.matches("<rect class=\"prefix\"").count(),
        5 + 1,
        "and the legend"
    );
    let trace = std::fs::read_to_string(folder.path("t.json")).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&trace).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let complete = events.iter().filter(|e| e["ph"] == "X");
    let mut names: Vec<&str> = complete.map(|e| e["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    let prefix = ["0..2", "2..4", "4..6", "6..9", "9..12"].map(|rows| format!("prefix {rows}"));
    assert_eq!(names[..5], prefix);
    assert_eq!(names[5..], ["suffix 0..12"]);
    let title = trace["otherData"]["title"].as_str().unwrap();
    assert!(title.contains("emulated on the CPU"), "{title}");
    let refused = folder.run("run net.dla --input x.npy --trace gone/t.json");
    assert!(refused.expect(2).stderr.contains("gone/t.json"));
}

/// One row has the model's own shape; several lie along an axis of their own, by `run` and `stream` alike.
#[test]
fn outputs_without_a_batch_are_the_model_s_or_stacked() {
    let folder = Folder::new();
    folder.npy("one.npy", &[1, 3, 6, 6]);
    folder.npy("many.npy", &[18, 3, 6, 6]);
    for (name, graph, shape) in without_batch() {
        folder.write("n.dla", &bundle(graph, "none").to_bytes());
        for (file, rows) in [("one.npy", 1), ("many.npy", 18)] {
            let line = format!("--json run n.dla --input {file} --output y.npy");
            let run = folder.run(&line).json();
            let want = match rows {
                1 => shape.clone(),
                _ => [vec![rows], shape.clone()].concat(),
            };
            assert_eq!(run["rows"], rows, "{name}");
            assert_eq!(run["output_shapes"][0], serde_json::json!(want), "{name}");
            assert_eq!(folder.read("y.npy").shape(), want, "{name}");
            let line = format!("--json stream n.dla --source {file} --output s.npy");
            let streamed = folder.run(&line).json();
            assert_eq!(streamed["computed"], rows, "{name}");
            assert_eq!(folder.read("s.npy"), folder.read("y.npy"), "{name}");
        }
        let plan = folder.run("plan n.dla --batch 18").expect(0).stdout;
        assert!(plan.contains("dla0="), "{name}: {plan}");
        folder.run("bench n.dla --batch 18 --repeats 1").expect(0);
        folder.run("calibrate n.dla --npz many.npy --batch 4").expect(0);
    }
}

#[test]
fn a_float16_model_takes_and_gives_float16() {
    let folder = Folder::new();
    folder.npy("x.npy", &[2, 3, 6, 6]);
    let relu = Op::Activation(Activation::Relu);
    let graph = headed(DType::F16, &[relu]);
    folder.write("n.dla", &bundle(graph, "none").to_bytes());
    let values: Vec<u8> = folder
        .read("x.npy")
        .iter()
        .flat_map(|v| half::f16::from_f32(*v).to_le_bytes())
        .collect();
    folder.write("half.npy", &halves("(2, 3, 6, 6)", &values));
    let answers = ["x.npy", "half.npy"].map(|file| {
        folder
            .run(&format!("run n.dla --input {file} --output y.npy"))
            .expect(0);
        std::fs::read(folder.path("y.npy")).unwrap()
    });
    assert_eq!(answers[0], answers[1], "float32 is rounded to float16");
    let head = String::from_utf8_lossy(&answers[0][..128]).into_owned();
    assert!(head.contains("'<f2'") && head.contains("(2, 8, 6, 6)"), "{head}");
}

/// A `.npy` file of float16.
fn halves(shape: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("{{'descr': '<f2', 'fortran_order': False, 'shape': {shape}, }}");
    let head = format!("{head:<117}\n");
    let magic = [
        b"\x93NUMPY\x01\x00".as_slice(),
        &(head.len() as u16).to_le_bytes(),
    ]
    .concat();
    [magic.as_slice(), head.as_bytes(), data].concat()
}
