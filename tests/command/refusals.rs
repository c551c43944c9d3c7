//! Bad input: exit code 2, one `error:` that names the culprit, nothing on stdout, no file left behind.

use crate::cli_support::{Folder, bundle, slow, sum};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A folder with every kind of wrong file.
fn wrong_files() -> Folder {
    let folder = Folder::new();
    folder.npy("x.npy", &[40, 3, 6, 6]);
    folder.npy("flat.npy", &[40, 108]);
    folder.npy("large.npy", &[2, 3, 7, 6]);
    folder.npy("none.npy", &[0, 3, 6, 6]);
    let double = ndarray::ArrayD::<f64>::zeros(vec![2, 3, 6, 6]);
    ndarray_npy::write_npy(folder.path("double.npy"), &double).unwrap();
    folder.write("text.npy", b"not an array");
    folder.write("text.jpg", b"not a picture");
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.write("two.txt", b"a\nb\n");
    folder.write(
        "plan.json",
        b"{\"version\": 9, \"prefix\": [], \"suffix_batch\": 1}",
    );
    let good = std::fs::read(folder.path("net.dla")).unwrap();
    folder.write("short.dla", &good[..good.len() - 7]);
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 4;
    folder.write("flipped.dla", &flipped);
    let mut newer = good.clone();
    newer[8] += 1;
    folder.write("newer.dla", &newer);
    folder.write("text.dla", b"some text");
    let mut silent = bundle(crate::cli_support::classifier(), "none");
    silent.options.preprocess = None;
    folder.write("silent.dla", &silent.to_bytes());
    folder.write("sum.dla", &bundle(sum(), "none").to_bytes());
    crate::cli_support::picture(&folder.path("ok.png"), [1, 2, 3]);
    folder
}

#[test]
fn every_bad_input_is_an_error_that_names_it() {
    let folder = wrong_files();
    let before = folder.files();
    let cases: &[(&str, &[&str])] = &[
        // artifacts
        ("run gone.dla --input x.npy", &["gone.dla", "No such file"]),
        (
            "run short.dla --input x.npy",
            &["short.dla", "copy or compile it again"],
        ),
        ("run flipped.dla --input x.npy", &["flipped.dla", "damaged"]),
        ("run newer.dla --input x.npy", &["newer.dla", "bundle format"]),
        ("run text.dla --input x.npy", &["text.dla"]),
        ("inspect flipped.dla", &["flipped.dla", "damaged"]),
        ("bench text.dla", &["text.dla"]),
        ("inspect", &["ARTIFACT"]),
        // arrays
        ("run net.dla --input flat.npy", &["`x`", "[40, 108]"]),
        ("run net.dla --input large.npy", &["`x`", "[2, 3, 7, 6]"]),
        ("run net.dla --input none.npy", &["row"]),
        (
            "run net.dla --input double.npy",
            &["double.npy holds float64", "`x` takes float32"],
        ),
        ("run net.dla --input text.npy", &["text.npy"]),
        ("run net.dla --input gone.npy", &["gone.npy", "No such file"]),
        ("run sum.dla --input x.npy", &["2 inputs", "left, right"]),
        ("run net.dla --input x.npy ok.png", &[".npy"]),
        // pictures
        ("run net.dla --input text.jpg", &["text.jpg"]),
        ("run net.dla --input gone.jpg", &["gone.jpg", "No such file"]),
        ("run net.dla --input empty", &["empty", ".png"]),
        (
            "run silent.dla --input ok.png",
            &["--preprocess", "unit-symmetric"],
        ),
        (
            "run net.dla --input ok.png --preprocess imagnet",
            &["imagnet", "imagenet"],
        ),
        ("run sum.dla --input ok.png", &[".npz"]),
        // plans and devices
        ("run net.dla --input x.npy --plan gpu=16x1", &["16", "40"]),
        ("run net.dla --input x.npy --plan gpu=0x1", &["at least 1"]),
        ("run net.dla --input x.npy --plan gpu", &["`gpu`", "BATCHxROUNDS"]),
        ("run net.dla --input x.npy --plan dla7=40x1", &["dla7", "dla0"]),
        ("run net.dla --input x.npy --plan gpu=40x1,suffix=7", &["7", "40"]),
        (
            "run net.dla --input x.npy --plan plan.json",
            &["plan.json", "version 9"],
        ),
        ("run net.dla --input x.npy --plan gone.json", &["gone.json"]),
        ("run net.dla --input x.npy --devices gpu,npu", &["npu", "dla0"]),
        ("run net.dla --input x.npy --devices dla0", &["gpu"]),
        (
            "run net.dla --input x.npy --devices gpu --plan gpu=40x1",
            &["--plan"],
        ),
        ("run net.dla --input x.npy --batch 0", &["--batch", "0"]),
        ("bench net.dla --batch 0", &["--batch", "0"]),
        ("bench net.dla --repeats 0", &["--repeats", "0"]),
        ("run net.dla --input x.npy --threads 0", &["--threads", "0"]),
        ("run net.dla --input x.npy --time-limit 0", &["--time-limit", "0"]),
        ("run net.dla --input x.npy --backend gpu", &["--backend", "cpu"]),
        (
            "run net.dla --input x.npy --backend tensorrt --tensorrt gone.so",
            &["gone.so", "no TensorRT library", "doctor"],
        ),
        (
            "run net.dla --input x.npy --backend tensorrt --tensorrt text.npy",
            &["text.npy", "no usable TensorRT library"],
        ),
        ("check net.dla --precision int8", &["int8", "calibration"]),
        ("check net.dla --dla-sram 5", &["--dla-sram", "power of two"]),
        ("check text.dla", &["text.dla"]),
        // where the result goes
        ("run net.dla --input x.npy --output gone/y.npy", &["gone/y.npy"]),
        ("run net.dla --input x.npy --output y.txt", &["y.txt", ".npz"]),
        ("run net.dla --input x.npy --output empty", &["empty"]),
        (
            "run net.dla --input x.npy --labels two.txt",
            &["two.txt", "2 labels", "5"],
        ),
        ("run net.dla --input x.npy --labels gone.txt", &["gone.txt"]),
        // the command itself
        ("run net.dla", &["--input"]),
        (
            "run net.dla --input x.npy --onnxruntime gone.so",
            &["gone.so", "pip install onnxruntime"],
        ),
        (
            "run net.dla --input x.npy --outptu y.npy",
            &["--outptu", "--output"],
        ),
        ("inspct net.dla", &["inspct", "inspect"]),
        (
            "inspect --relay gone.relay --python gone-python",
            &["gone-python", "--python"],
        ),
    ];
    let mut wrong = String::new();
    for (line, parts) in cases {
        let run = folder.run(line);
        let missing = parts.iter().find(|part| !run.stderr.contains(**part));
        let plain = run.code == Some(2) && run.stdout.is_empty();
        if !plain || !run.stderr.starts_with("error: ") || missing.is_some() {
            let (code, said) = (run.code, run.stdout + &run.stderr);
            wrong += &format!("{line}: code {code:?}, without {missing:?}: {said}\n");
        }
    }
    assert_eq!(wrong, "");
    assert_eq!(folder.files(), before, "nothing is left behind");
}

#[test]
fn an_output_that_cannot_be_written_is_found_before_the_run() {
    let folder = wrong_files();
    let run = folder
        .run("run gone.dla --input x.npy --output gone/y.npy")
        .expect(2);
    assert!(run.stderr.contains("gone/y.npy"), "{}", run.stderr);
}

#[test]
fn a_failed_run_keeps_the_earlier_result() {
    let folder = wrong_files();
    folder.write("y.npy", b"the earlier result");
    folder
        .run("run net.dla --input flat.npy --output y.npy")
        .expect(2);
    assert_eq!(
        std::fs::read(folder.path("y.npy")).unwrap(),
        b"the earlier result"
    );
}

#[test]
fn a_missing_library_makes_the_doctor_say_no_and_how_to_get_it() {
    let folder = Folder::new();
    let run = folder.run("doctor --onnxruntime gone.so").expect(1);
    for part in ["missing", "gone.so", "pip install onnxruntime==", "TensorRT"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let found = folder.run("--json doctor").json();
    let findings = found["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|f| f["needed_for"] == "backend cpu" && f["ok"] == true)
    );
}

/// Waits until the program computes, presses Ctrl-C, and gives what it did.
fn interrupted(folder: &Folder, line: &str) -> crate::cli_support::Run {
    let mut command = folder.command(line);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let tasks = format!("/proc/{}/task", child.id());
    let started = Instant::now();
    // Its own thread, that of Ctrl-C, and the devices'.
    while std::fs::read_dir(&tasks).map_or(0, Iterator::count) < 4 {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{line} does not start"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    let process = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &process]).status();
    assert!(sent.unwrap().success(), "{line} ended by itself");
    let pressed = Instant::now();
    let run = crate::cli_support::Run::of(line, child.wait_with_output().unwrap());
    assert!(
        pressed.elapsed() < Duration::from_secs(20),
        "{line} ends too late"
    );
    run
}

#[test]
fn ctrl_c_ends_a_long_run_and_leaves_no_partial_file() {
    let folder = Folder::new();
    folder.write("slow.dla", &bundle(slow(), "none").to_bytes());
    folder.npy("row.npy", &[1, 3, 48, 48]);
    let before = folder.files();
    let lines = [
        "bench slow.dla --batch 64 --repeats 100000",
        "run slow.dla --input row.npy --batch 6000 --output y.npy",
    ];
    for line in lines {
        let run = interrupted(&folder, line).expect(130);
        assert_eq!(run.stdout, "", "{line}");
        assert!(run.stderr.contains("interrupted"), "{line}: {}", run.stderr);
        assert_eq!(folder.files(), before, "{line}");
    }
}
