//! `tvm-dla export`: ONNX files and trtexec lines, all of them or none.

use crate::cli_support::{Folder, bundle, sum};
use serde_json::json;

#[test]
fn every_stage_becomes_a_file_at_the_batch_asked_for() {
    let folder = Folder::new();
    let answer = folder.run("--json export net.dla --onnx out --batch 5").json();
    let stages = answer["stages"].as_array().unwrap();
    let cases = [
        ("whole", json!([5, 3, 6, 6]), json!([5, 5])),
        ("prefix", json!([5, 3, 6, 6]), json!([5, 4, 2, 2])),
        ("suffix", json!([5, 4, 2, 2]), json!([5, 5])),
    ];
    assert_eq!(stages.len(), cases.len());
    for (stage, (name, input, output)) in stages.iter().zip(cases) {
        assert_eq!(stage["stage"], name);
        assert_eq!(stage["inputs"][0]["shape"], input, "{name}");
        assert_eq!(stage["outputs"][0]["shape"], output, "{name}");
        assert_eq!(stage["trtexec"], json!([]), "not asked for");
        let file = folder.path(stage["onnx"].as_str().unwrap());
        let size = std::fs::metadata(file).unwrap().len();
        assert_eq!(stage["bytes"], size, "{name}");
    }
    assert_eq!(answer["notes"], json!([]));
    let files = std::fs::read_dir(folder.path("out")).unwrap().count();
    assert_eq!(files, 3, "no part is left behind");
}

#[test]
fn the_lines_are_a_shell_script() {
    let folder = Folder::new();
    let text = folder
        .run("export net.dla --trtexec --stage prefix,suffix")
        .expect(0)
        .stdout;
    let commands: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    let want = [
        "trtexec --onnx=classifier-prefix-b2.onnx --saveEngine=classifier-prefix-b2.gpu.engine --fp16",
        "trtexec --onnx=classifier-prefix-b2.onnx --saveEngine=classifier-prefix-b2.dla0.engine --fp16 --useDLACore=0 --inputIOFormats=fp16:chw16 --outputIOFormats=fp16:chw16",
        "trtexec --onnx=classifier-prefix-b2.onnx --saveEngine=classifier-prefix-b2.dla1.engine --fp16 --useDLACore=1 --inputIOFormats=fp16:chw16 --outputIOFormats=fp16:chw16",
        "trtexec --onnx=classifier-suffix-b2.onnx --saveEngine=classifier-suffix-b2.gpu.engine --fp16",
    ];
    assert_eq!(commands, want);
    assert!(text.contains("--onnx DIR"), "the files are not there: {text}");
    assert_eq!(folder.files(), ["net.dla"], "nothing is written");
}

#[test]
fn a_batch_no_dla_runs_is_a_comment_with_its_reason() {
    let folder = Folder::new();
    let line = "--json export net.dla --trtexec --stage prefix --batch 5000";
    let answer = folder.run(line).json();
    let lines = &answer["stages"][0]["trtexec"];
    assert!(lines[0]["command"].is_string(), "the GPU runs it");
    assert!(lines[1]["command"].is_null());
    let reason = lines[1]["refused"].as_str().unwrap();
    assert!(reason.contains("4096"), "{reason}");
}

#[test]
fn what_cannot_be_written_is_an_error_and_leaves_nothing() {
    let folder = Folder::new();
    folder.write("file", b"");
    folder.write("sum.dla", &bundle(sum(), "none").to_bytes());
    std::fs::create_dir(folder.path("full")).unwrap();
    folder.write("full/classifier-suffix-b2.onnx", b"mine");
    let cases: &[(&str, &[&str])] = &[
        ("export net.dla", &["--onnx", "--trtexec"]),
        ("export gone.dla --trtexec", &["gone.dla"]),
        ("export net.dla --onnx file", &["file", "not a folder"]),
        ("export net.dla --onnx gone/out", &["gone/out"]),
        ("export net.dla --onnx /proc/out", &["/proc/out"]),
        (
            "export net.dla --onnx full",
            &["classifier-suffix-b2.onnx exists", "--force"],
        ),
        ("export net.dla --trtexec --stage head", &["head", "prefix"]),
        ("export net.dla --trtexec --batch 0", &["--batch"]),
        ("export net.dla --onnx out --workspace 5", &["--trtexec"]),
        (
            "export sum.dla --trtexec --stage prefix",
            &["`sum` has no prefix", "inspect"],
        ),
    ];
    for (line, parts) in cases {
        let run = folder.run(line).expect(2);
        for part in *parts {
            assert!(run.stderr.contains(part), "{line}: {part}: {}", run.stderr);
        }
        assert_eq!(run.stdout, "", "{line}");
    }
    assert_eq!(folder.files(), ["file", "full", "net.dla", "sum.dla"]);
    let full = std::fs::read_dir(folder.path("full")).unwrap().count();
    assert_eq!(full, 1, "all files or none");
    folder.run("export net.dla --onnx full --force").expect(0);
    let replaced = std::fs::read(folder.path("full/classifier-suffix-b2.onnx")).unwrap();
    assert_ne!(replaced, b"mine");
}
