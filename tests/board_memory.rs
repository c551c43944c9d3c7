//! The board path under valgrind: the C++ shim, the double and our own unsafe code access nothing invalid and lose no
//! memory. What valgrind says about others' code is in `valgrind.supp`, with the reason.

mod cli_support;
mod double_support;

use std::path::Path;
use std::process::Command;

use cli_support::{Folder, Run};
use double_support::{Journal, library};

#[test]
#[ignore = "half a minute: scripts/check runs it"]
fn nothing_invalid_is_accessed_and_nothing_is_lost() {
    let Some(double) = library() else { return };
    let folder = Folder::new();
    folder.npy("x.npy", &[12, 3, 6, 6]);
    let line = "run net.dla --input x.npy --output y.npy --backend tensorrt \
                --plan gpu=4x1,dla0=2x2,dla1=2x2,suffix=12";
    let cases = [
        ("", "engines are built, kept and run"),
        (
            "discrete=1;fail-run=dla1:1",
            "they are loaded, buffers are copied, a device fails",
        ),
    ];
    for (faults, why) in cases {
        let _ = std::fs::remove_file(folder.path("journal"));
        let run = under_valgrind(&folder, line, &double, faults);
        assert_eq!(run.code, Some(0), "{why}:\n{}", run.stderr);
        Journal::read(&folder.path("journal")).assert_clean();
    }
}

fn under_valgrind(folder: &Folder, line: &str, double: &Path, faults: &str) -> Run {
    let call = folder.command(line);
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
    command.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/valgrind.supp");
    command.arg(format!("--suppressions={}", known.display()));
    command.arg(call.get_program()).args(call.get_args());
    command.current_dir(folder.path(""));
    command
        .env("TVM_DLA_TENSORRT", double)
        .env("TVM_DLA_CUDART", double)
        .env("TVM_DLA_CACHE", folder.path("cache"))
        .env("NVINFER_DOUBLE_FAULTS", faults)
        .env("NVINFER_DOUBLE_JOURNAL", folder.path("journal"));
    command.env_remove("LD_LIBRARY_PATH");
    let output = command.output();
    Run::of(line, output.expect("valgrind runs: apt-get install valgrind"))
}
