//! Which plan a board takes that nobody tuned, on the libnvinfer double: by the board's model first, then by what was
//! measured.

use std::process::{Child, Stdio};

use crate::double_support::board::Board;
use serde_json::Value;

/// The plan that a run took, and where it was from.
fn taken(board: &Board, options: &str) -> (String, String, String) {
    let line = format!("--json run net.dla --input x.npy --output got.npy --batch 66 {options}");
    let run = board.call(&line, "").0;
    let json = run.json();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    (text(&json["plan"]), text(&json["plan_from"]), run.stderr)
}

/// The files of times in the cache.
fn kept(board: &Board) -> Vec<Value> {
    let listed = board.call("--json cache list", "").0.json();
    listed["rates"].as_array().unwrap().clone()
}

#[test]
fn a_board_plans_by_its_model_then_by_what_it_measured() {
    let Some(board) = Board::new() else { return };
    let here = "--on-board agx-orin,30W";
    let (plan, from, _) = taken(&board, here);
    assert!(plan.starts_with("gpu="), "{plan}");
    assert!(
        from.starts_with("simulated for Jetson AGX Orin 64GB, 30W, ") && from.ends_with(" % error"),
        "{from}"
    );
    let files = kept(&board);
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(files[0]["measured_of"]["power"], "30W");
    assert!(!files[0]["rates"].as_array().unwrap().is_empty());
    let (_, from, _) = taken(&board, here);
    assert_eq!(from, "measured on this machine before");
    // Another power mode is another machine.
    let (_, from, _) = taken(&board, "--on-board agx-orin,15W");
    assert!(
        from.starts_with("simulated for Jetson AGX Orin 64GB, 15W"),
        "{from}"
    );
    assert_eq!(kept(&board).len(), 2);

    let text = board.call("cache list", "").0.expect(0).stdout;
    for part in ["times that were measured, of 2 networks", "30W", " ms"] {
        assert!(text.contains(part), "`{part}` in:\n{text}");
    }
}

#[test]
fn several_processes_keep_times_at_once() {
    let Some(board) = Board::new() else { return };
    let here = "--on-board agx-orin";
    let start = |rows: usize| {
        let line = format!("run net.dla --input x.npy --batch {rows} {here}");
        let mut command = board.command(&line, "");
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    };
    let started: Vec<Child> = [66, 33, 22, 66, 33, 66].into_iter().map(start).collect();
    for process in started {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("times"), "{said}");
    }
    let files = kept(&board);
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(!files[0]["rates"].as_array().unwrap().is_empty());
    let (_, from, _) = taken(&board, here);
    assert_eq!(from, "measured on this machine before");
}

#[test]
fn damaged_foreign_and_absurd_times_are_ignored() {
    let Some(board) = Board::new() else { return };
    let here = "--on-board xavier-nx";
    taken(&board, here);
    let file = kept(&board)[0]["file"].as_str().unwrap().to_string();
    let good = std::fs::read_to_string(&file).unwrap();
    let mut other: Value = serde_json::from_str(&good).unwrap();
    other["key"]["gpu"] = "another GPU".into();
    let mut newer: Value = serde_json::from_str(&good).unwrap();
    newer["version"] = 2.into();
    for (text, remark, why) in [
        (good[..good.len() / 2].to_string(), "it is damaged", "half a file"),
        (String::new(), "it is damaged", "an empty file"),
        (other.to_string(), "it is of something else", "another machine's"),
        (
            newer.to_string(),
            "it has version 2 instead of 1",
            "of a later program",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let (_, from, said) = taken(&board, here);
        assert!(said.contains(remark), "{why}: {said}");
        assert!(
            from.starts_with("simulated for Jetson Xavier NX"),
            "{why}: {from}"
        );
        let (_, from, _) = taken(&board, here);
        assert_eq!(
            from, "measured on this machine before",
            "{why}: it is written anew"
        );
    }
    for (us, why) in [("0.0", "no time"), ("-3.5", "less"), ("1e300", "for ever")] {
        let mut absurd: Value = serde_json::from_str(&good).unwrap();
        for rate in absurd["rates"].as_array_mut().unwrap() {
            rate["us"] = serde_json::from_str(us).unwrap();
        }
        std::fs::write(&file, absurd.to_string()).unwrap();
        let (_, from, _) = taken(&board, here);
        assert!(from.starts_with("simulated"), "{why}: {from}");
    }
}

#[test]
fn without_a_board_the_gpu_is_alone_until_more_is_known() {
    let Some(board) = Board::new() else { return };
    let (plan, from, _) = taken(&board, "--backend tensorrt");
    assert_eq!(from, "the GPU alone until more is measured");
    assert_eq!(plan, "gpu=33x2,suffix=66");
    let line = "--json run net.dla --input x.npy --batch 66 --no-adapt --on-board orin";
    let run = board.call(line, "").0.expect(2);
    assert!(run.stderr.contains("no board `orin`"), "{}", run.stderr);
}

#[test]
fn tensorrt_is_taken_where_it_and_a_gpu_are() {
    let Some(board) = Board::new() else { return };
    let run = board.call("--json run net.dla --input x.npy", "").0.json();
    let devices = run["devices"].as_str().unwrap();
    assert!(
        devices.contains("TensorRT") && devices.contains("DLA cores"),
        "{devices}"
    );
    let run = board
        .call("--json run net.dla --input x.npy --backend cpu", "")
        .0
        .json();
    let devices = run["devices"].as_str().unwrap();
    assert!(devices.contains("emulated on the CPU"), "{devices}");
    // Without any board nobody is asked.
    let run = board.folder.run("--json run net.dla --input x.npy").json();
    assert!(run["devices"].as_str().unwrap().contains("emulated on the CPU"));
}
