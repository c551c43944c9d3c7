//! The hardware suite: TensorRT and the devices of this machine against the CPU backend. `REQUIRE_BOARD=1` turns a
//! machine without a board into a failure. Against the libnvinfer double it only shows that the suite itself works.

mod buffers;
#[path = "../cli_support/mod.rs"]
mod cli_support;
mod operators;

use cli_support::Folder;

/// Whether there is a board; the DLA cores it has.
fn cores(folder: &Folder) -> Option<usize> {
    let found: serde_json::Value = {
        let run = folder.command("--json doctor --backend tensorrt");
        let output = with_libraries(run).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let part = |name: &str| {
        let findings = found["findings"].as_array().unwrap();
        let finding = findings.iter().find(|f| f["part"] == name).unwrap();
        (
            finding["ok"] == true,
            finding["detail"].as_str().unwrap().to_string(),
        )
    };
    let missing: Vec<String> = ["TensorRT", "CUDA runtime"]
        .into_iter()
        .map(part)
        .filter_map(|(ok, detail)| (!ok).then_some(detail))
        .collect();
    if !missing.is_empty() {
        let text = missing.join("; ");
        assert!(
            std::env::var_os("REQUIRE_BOARD").is_none(),
            "REQUIRE_BOARD is set, and {text}"
        );
        eprintln!("SKIPPED: no board: {text}");
        return None;
    }
    let (ok, detail) = part("DLA");
    let count = detail.split(' ').next().and_then(|n| n.parse().ok());
    Some(if ok { count.unwrap_or(0) } else { 0 })
}

/// What the caller's environment says about libraries, which `Folder` removes.
fn with_libraries(mut command: std::process::Command) -> std::process::Command {
    for name in ["TVM_DLA_TENSORRT", "TVM_DLA_CUDART", "TVM_DLA_ONNXRUNTIME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn run(folder: &Folder, line: &str) -> cli_support::Run {
    let mut command = with_libraries(folder.command(line));
    command.env("TVM_DLA_CACHE", folder.path("cache"));
    cli_support::Run::of(line, command.output().unwrap()).expect(0)
}

/// Every device that the board has computes rows of one batch, and FP16's roundings are the only difference.
#[test]
fn every_device_computes_what_the_cpu_computes() {
    let folder = Folder::new();
    let Some(cores) = cores(&folder) else { return };
    folder.npy("x.npy", &[12, 3, 6, 6]);
    run(
        &folder,
        "run net.dla --input x.npy --output want.npy --backend cpu",
    );
    let plans = [
        (0, "gpu=12x1,suffix=12"),
        (1, "dla0=6x2,suffix=12"),
        (1, "gpu=6x1,dla0=6x1,suffix=12"),
        (2, "dla1=6x2,suffix=12"),
        (2, "gpu=4x1,dla0=4x1,dla1=4x1,suffix=12"),
        (2, "gpu=1x4,dla0=1x4,dla1=1x4,suffix=4"),
    ];
    for (needed, plan) in plans {
        if cores < needed {
            eprintln!("SKIPPED: {plan}: the board has {cores} DLA cores");
            continue;
        }
        let line = format!("run net.dla --input x.npy --output got.npy --backend tensorrt --plan {plan}");
        run(&folder, &line);
        let (got, want) = (folder.read("got.npy"), folder.read("want.npy"));
        for (got, want) in got.iter().zip(&want) {
            let limit = 1e-2 * want.abs().max(1.0);
            assert!((got - want).abs() <= limit, "{plan}: {got} instead of {want}");
        }
    }
}

/// The second process finds the engines of the first.
#[test]
fn engines_are_kept() {
    let folder = Folder::new();
    let Some(cores) = cores(&folder) else { return };
    let plan = match cores {
        0 => "gpu=4x1,suffix=4",
        1 => "gpu=4x1,dla0=4x1,suffix=8",
        _ => "gpu=4x1,dla0=4x1,dla1=4x1,suffix=12",
    };
    run(
        &folder,
        &format!("build net.dla --backend tensorrt --plan {plan}"),
    );
    let list = || run(&folder, "--json cache list").json()["engines"].clone();
    let first = list();
    let count = first.as_array().unwrap().len();
    assert!(count > usize::from(cores > 0), "{first}");
    run(
        &folder,
        &format!("build net.dla --backend tensorrt --plan {plan}"),
    );
    assert_eq!(list(), first, "nothing was written again");
}
