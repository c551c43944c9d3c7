//! `tvm-dla doctor --backend tensorrt` for each thing that a board may lack, on the libnvinfer double.

use crate::double_support::board::Board;

/// What doctor says, and which parts it misses.
fn missing(found: &serde_json::Value) -> Vec<(&str, &str)> {
    let findings = found["findings"].as_array().unwrap().iter();
    let missing = findings.filter(|f| f["ok"] == false);
    missing
        .map(|f| (f["part"].as_str().unwrap(), f["detail"].as_str().unwrap()))
        .collect()
}

#[test]
fn each_missing_piece_has_its_name() {
    let Some(board) = Board::new() else { return };
    board.folder.write("text.so", b"no library");
    type Case<'a> = (&'a str, &'a str, i32, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case; 6] = [
        ("", "", 0, &[], "everything is there"),
        (
            "--tensorrt gone.so",
            "",
            1,
            &[("TensorRT", "gone.so"), ("DLA", "not known without TensorRT")],
            "no TensorRT where it was said to be",
        ),
        (
            "--tensorrt text.so",
            "",
            1,
            &[("TensorRT", "no usable TensorRT"), ("DLA", "not known")],
            "a file that is no library",
        ),
        (
            "",
            "version=7203",
            1,
            &[("TensorRT", "is TensorRT 7.2.3"), ("DLA", "not known")],
            "another major version than the headers",
        ),
        (
            "--cudart gone.so",
            "",
            1,
            &[("CUDA runtime", "gone.so")],
            "no CUDA runtime",
        ),
        (
            "",
            "dla-cores=0",
            0,
            &[("DLA", "plans use the GPU alone")],
            "a GPU is enough to run",
        ),
    ];
    for (options, fault, status, parts, why) in cases {
        let line = format!("--json doctor --backend tensorrt {options}");
        let (run, _) = board.call(&line, fault);
        let run = run.expect(status);
        let found: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        // The machine of the test has what these are about, or not.
        let elsewhere = ["JetPack", "plugin", "TVM runtime"];
        let mut missing = missing(&found);
        missing.retain(|(part, _)| !elsewhere.contains(part));
        assert_eq!(missing.len(), parts.len(), "{why}: {missing:?}");
        for ((part, detail), (want, text)) in missing.iter().zip(parts) {
            assert_eq!(part, want, "{why}");
            assert!(detail.contains(text), "{why}: `{text}` in {detail}");
        }
    }
}
