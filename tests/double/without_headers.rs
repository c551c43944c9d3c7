//! A program that was built where there are no TensorRT headers.

use crate::cli_support::Folder;
use tvm_dla::engine::trt::built_for;

/// A build for every machine, which `scripts/check_boards` makes and tests.
#[test]
fn a_program_without_headers_says_what_to_do() {
    if !built_for().is_empty() {
        eprintln!("SKIPPED: this build has TensorRT headers; scripts/check_boards tests one without");
        return;
    }
    let folder = Folder::new();
    folder.npy("x.npy", &[2, 3, 6, 6]);
    let doctor = folder.run("doctor --backend tensorrt").expect(1);
    let commands = [
        "run net.dla --input x.npy --backend tensorrt",
        "build net.dla --batch 4 --backend tensorrt",
        "check net.dla",
    ];
    let runs = commands.map(|line| folder.run(line).expect(2).stderr);
    for text in runs.iter().chain([&doctor.stdout]) {
        for part in [
            "no TensorRT backend",
            "libnvinfer-headers-dev",
            "TENSORRT_INCLUDE",
        ] {
            assert!(text.contains(part), "`{part}` in {text}");
        }
    }
    folder.run("run net.dla --input x.npy --backend cpu").expect(0);
}
