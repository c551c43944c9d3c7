//! INT8 on the libnvinfer double: what is rounded where, and what a DLA is told. Where ranges are implicit (TensorRT 8 and
//! 10) it runs on all devices; TensorRT 11 has INT8 as quantise and dequantise layers, which a DLA does not take.

use crate::double_support::board::Board;

const SHARED: &str = "--plan gpu=4x1,dla0=2x2,dla1=2x2,suffix=12";
const GPU: &str = "--plan gpu=12x1,suffix=12";
const INT8: &str = "--precision int8 --calibration net.calib.json";

/// A board with ranges, and what the CPU backend's emulation of INT8 makes of the input.
fn calibrated() -> Option<Board> {
    let board = Board::new()?;
    let folder = &board.folder;
    folder.run("calibrate net.dla --npz x.npy --method max").expect(0);
    folder
        .run(&format!(
            "run net.dla --input x.npy --output int8.npy --backend cpu {INT8}"
        ))
        .expect(0);
    Some(board)
}

/// One INT8 step of a tensor.
fn step(board: &Board, tensor: &str) -> f32 {
    let text = std::fs::read_to_string(board.folder.path("net.calib.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["ranges"][tensor].as_f64().unwrap() as f32 / 127.0
}

/// Both round the same tensors; the double sums what was dequantised, the emulation integers, so that only an output
/// within float32's error of a tie may be rounded to the other side.
fn assert_near(board: &Board) {
    let limit = 1.001 * step(board, "dense");
    let read = |name| board.folder.read(name);
    let (got, int8, exact) = (read("got.npy"), read("int8.npy"), read("want.npy"));
    let largest = |a: &ndarray::ArrayD<f32>, b: &ndarray::ArrayD<f32>| {
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    let difference = largest(&got, &int8);
    assert!(difference <= limit, "{difference} is more than {limit}");
    assert!(largest(&got, &exact) > 0.0, "nothing was rounded");
    eprintln!("INT8 on the double and emulated: {difference} apart, limit {limit}");
}

#[test]
fn int8_on_the_gpu_is_what_the_cpu_backend_emulates() {
    let Some(board) = calibrated() else { return };
    let (run, seen) = board.run(&format!("{GPU} {INT8}"), "");
    run.expect(0);
    seen.assert_clean();
    assert_near(&board);
}

#[test]
fn int8_on_a_dla_has_its_formats_and_results() {
    let Some(board) = calibrated() else { return };
    let (run, seen) = board.run(&format!("{SHARED} {INT8}"), "meet=3");
    if board.version() >= (11, 0) {
        let run = run.expect(2);
        assert!(run.stderr.contains("no longer has"), "{}", run.stderr);
        return;
    }
    run.expect(0);
    seen.assert_clean();
    assert_near(&board);
    let dla = |build: &&&serde_json::Value| build["core"].as_i64().unwrap() >= 0;
    let builds = seen.events("build");
    let builds: Vec<_> = builds.iter().filter(dla).collect();
    assert!(!builds.is_empty());
    for build in builds {
        let chw32 = serde_json::json!([2, 1 << 5]);
        assert_eq!(build["inputs"][0], chw32, "INT8 in groups of 32: {build}");
        assert_eq!(build["outputs"][0], chw32, "{build}");
        assert_eq!(build["reformats"], 0, "{build}");
    }
}

/// What our builder says of ranges is checked: a faulty one would be found.
#[test]
fn a_dla_without_the_right_ranges_is_refused() {
    let Some(board) = calibrated() else { return };
    if board.version() >= (11, 0) {
        eprintln!("SKIPPED: TensorRT 11 has no ranges; scripts/check_boards runs this with older headers");
        return;
    }
    let cases = [
        ("forget-range=relu", "has no dynamic range", "within a layer"),
        ("forget-range=x", "has no dynamic range", "of an input"),
        (
            "double-range=pool",
            "needs equal scales",
            "pooling rounds nothing",
        ),
    ];
    for (fault, want, why) in cases {
        board.call("cache clear", "").0.expect(0);
        let (run, _) = board.run(&format!("{SHARED} {INT8}"), fault);
        let run = run.expect(2);
        assert!(run.stderr.contains(want), "{why}: {}", run.stderr);
    }
}
