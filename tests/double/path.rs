//! The program on the libnvinfer double, as a user calls it: what works, and every way in which a board can let it down.

use std::process::{Command, Stdio};

use crate::cli_support::{Run, bundle, slow};
use crate::double_support::Journal;
use crate::double_support::board::Board;

const PLAN: &str = "--plan gpu=4x1,dla0=2x2,dla1=2x2,suffix=12";

#[test]
fn three_devices_compute_at_once_from_engines_that_are_built_once() {
    let Some(board) = Board::new() else { return };
    for (discrete, built) in [("", true), (";discrete=1", false)] {
        // `meet` lets no execution go on before all three devices have begun one.
        let (run, seen) = board.run(PLAN, &format!("meet=3{discrete}"));
        run.expect(0);
        board.assert_right();
        seen.assert_clean();
        assert_eq!(!seen.events("build").is_empty(), built, "built once");
        for device in ["gpu", "dla0", "dla1"] {
            assert_eq!(seen.executed(device), 2, "{device}");
        }
    }
    assert_eq!(board.plans(), 3, "prefix for the GPU and for both cores, suffix");
    board.call("cache clear", "").0.expect(0);
    assert_eq!(board.plans(), 0);
}

#[test]
fn a_dla_engine_is_what_was_asked_for_and_nothing_else() {
    let Some(board) = Board::new() else { return };
    let pools = if board.version() >= (8, 4) {
        "--dla-sram 512 --dla-local-dram 65536 --dla-global-dram 131072"
    } else {
        ""
    };
    let level = board.version() >= (8, 6);
    let asked = if level { "--build-level 2" } else { "" };
    let (run, seen) = board.run(&format!("{PLAN} {pools} --workspace 64 {asked}"), "");
    run.expect(0);
    seen.assert_clean();
    for build in seen.events("build") {
        let dla = build["core"].as_i64().unwrap() >= 0;
        assert_eq!(build["fallback"], 0, "nobody asked for it: {build}");
        assert_eq!(build["fallen"], 0, "{build}");
        assert_eq!(build["reformats"], 0, "the DLA's own formats: {build}");
        assert_eq!(build["level"], if level { 2 } else { 3 }, "{build}");
        assert_eq!(build["pools"]["0"], 64 << 20, "{build}");
        let sram = &build["pools"]["1"];
        assert_eq!(sram.is_null(), !dla || pools.is_empty(), "{build}");
        let port = &build["inputs"][0];
        let chw16 = serde_json::json!([1, 1 << 4]);
        assert_eq!(*port == chw16, dla, "FP16 in groups of 16 channels: {build}");
    }
}

/// What a library of this version does not have is refused by its name, not left out.
#[test]
fn options_beyond_the_library_are_refused() {
    let Some(board) = Board::new() else { return };
    let cases = [
        ("--build-level 2", (8, 6), "setBuilderOptimizationLevel"),
        ("--dla-sram 512", (8, 4), "setMemoryPoolLimit"),
    ];
    for (option, since, call) in cases {
        board.call("cache clear", "").0.expect(0);
        let (run, seen) = board.run(&format!("{PLAN} {option}"), "");
        seen.assert_no_violation();
        let run = run.expect(if board.version() >= since { 0 } else { 2 });
        let refused = run.stderr.contains(call);
        assert_eq!(refused, board.version() < since, "{}", run.stderr);
    }
}

/// What fails while it runs loses nothing: other devices compute the rows.
#[test]
fn a_device_that_fails_while_it_runs_loses_nothing() {
    let Some(board) = Board::new() else { return };
    let cases = [
        ("fail-enqueue=dla0:1", "dla0", "the first execution is refused"),
        ("fail-enqueue=dla1:2", "dla1", "the second is refused"),
        ("fail-run=dla0:1", "dla0", "it is accepted and ends in an error"),
        ("fail-run=dla1:2", "dla1", "the second does"),
        ("hang=dla1:1", "dla1", "it never ends"),
        ("hang=dla0:2", "dla0", "the second never ends"),
    ];
    for (fault, device, why) in cases {
        let (run, seen) = board.run(&format!("{PLAN} --time-limit 3"), fault);
        let run = run.expect(0);
        board.assert_right();
        seen.assert_no_violation();
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains(device), "{why}: {said}");
        let done: usize = ["gpu", "dla0", "dla1"].map(|d| seen.executed(d)).iter().sum();
        assert!(done >= 5, "{why}: {done} executions");
        if !fault.starts_with("hang") {
            seen.assert_clean();
        }
    }
}

#[test]
fn what_cannot_work_is_said_and_leaves_nothing_behind() {
    let Some(board) = Board::new() else { return };
    let cases: [(&str, &str, &[&str], &str); 8] = [
        (
            PLAN,
            "out-of-memory=4000",
            &["cudaHostAlloc", "out of memory"],
            "no memory for the buffers",
        ),
        (
            PLAN,
            "refuse-layer=conv",
            &["conv", "TensorRT says it cannot", "the rule table says"],
            "both reasons",
        ),
        (
            PLAN,
            "fail-build=dla1",
            &["dla1", "told to fail"],
            "TensorRT's own words",
        ),
        (PLAN, "dla-cores=0", &["dla0"], "a board without a DLA"),
        (
            "--plan gpu=6x1,dla1=6x1,suffix=12",
            "dla-cores=1",
            &["dla1"],
            "an Orin NX 8GB has one",
        ),
        (
            PLAN,
            "version=7203",
            &["TensorRT 7.2.3", "headers"],
            "another major version than the headers",
        ),
        (
            "--tensorrt nowhere.so",
            "",
            &["nowhere.so", "doctor"],
            "a library that is not there",
        ),
        (
            "--cudart nowhere.so",
            "",
            &["nowhere.so", "doctor"],
            "a CUDA runtime that is not there",
        ),
    ];
    for (rest, fault, parts, why) in cases {
        // An engine that was kept would not be built.
        board.call("cache clear", "").0.expect(0);
        let (run, seen) = board.run(rest, fault);
        let run = run.expect(2);
        for part in parts {
            assert!(run.stderr.contains(part), "{why}: `{part}` in\n{}", run.stderr);
        }
        seen.assert_no_violation();
        if let Some(end) = seen.events("end").first() {
            assert_eq!(end["left"], serde_json::json!({}), "{why}");
        }
        assert!(!board.folder.path("got.npy").exists(), "{why}");
    }
}

#[test]
fn what_a_dla_refuses_runs_on_the_gpu_only_when_asked_and_is_reported() {
    let Some(board) = Board::new() else { return };
    let (run, seen) = board.run(&format!("{PLAN} --gpu-fallback"), "refuse-layer=pool");
    let run = run.expect(0);
    board.assert_right();
    seen.assert_clean();
    assert!(run.stderr.contains("pool"), "{}", run.stderr);
    for build in seen.events("build") {
        let dla = build["core"].as_i64().unwrap() >= 0;
        assert_eq!(build["fallback"], i32::from(dla), "{build}");
        let on_gpu = build["on_gpu"].as_i64().unwrap();
        assert!(!dla || on_gpu == 1, "one layer is not on the DLA: {build}");
    }
}

#[test]
fn build_makes_what_run_needs() {
    let Some(board) = Board::new() else { return };
    let line = format!("--json build net.dla --backend tensorrt {PLAN}");
    let (run, seen) = board.call(&line, "");
    assert_eq!(run.json()["engines"].as_array().unwrap().len(), 4);
    seen.assert_clean();
    assert_eq!(seen.events("build").len(), 3, "both cores share one");
    assert_eq!(seen.executed("gpu"), 0, "nothing runs");
    let (run, seen) = board.run(PLAN, "");
    run.expect(0);
    board.assert_right();
    assert!(seen.events("build").is_empty(), "everything was there");
}

#[test]
fn a_full_disk_is_an_error_for_build_and_a_warning_for_run() {
    let Some(board) = Board::new() else { return };
    board.folder.write("slow.dla", &bundle(slow(), "none").to_bytes());
    board.folder.npy("s.npy", &[1, 3, 48, 48]);
    let limited = |rest: &str| {
        let call = board.command(rest, "");
        let mut shell = Command::new("bash");
        // A file of more than 64 KiB cannot be written; the network's weights are larger.
        shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "bash"]);
        shell.arg(call.get_program()).args(call.get_args());
        shell.current_dir(board.folder.path(""));
        for (name, value) in call.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        Run::of(rest, shell.output().unwrap())
    };
    let build = limited("build slow.dla --batch 1 --devices gpu --backend tensorrt").expect(2);
    for part in ["cannot store the engine", "make room", "cache clear"] {
        assert!(build.stderr.contains(part), "`{part}` in {}", build.stderr);
    }
    let run = limited("run slow.dla --input s.npy --output s2.npy --devices gpu --backend tensorrt");
    let run = run.expect(0);
    assert!(run.stderr.contains("cannot store"), "{}", run.stderr);
    assert!(board.folder.path("s2.npy").exists(), "it ran all the same");
    // The times that the run measured are a small file, and whole.
    let left = std::fs::read_dir(board.folder.path("cache")).unwrap();
    let left = left.flatten().map(|entry| entry.path());
    let torn = left.filter(|path| path.extension().is_none_or(|e| e != "rates"));
    assert_eq!(torn.count(), 0, "no torn file");
}

#[test]
fn ctrl_c_ends_a_build_between_two_steps() {
    let Some(board) = Board::new() else { return };
    let line = format!("build net.dla --backend tensorrt {PLAN}");
    let mut command = board.command(&line, "slow-build=400");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // The journal's first line comes when the library is in use.
    std::thread::sleep(std::time::Duration::from_millis(700));
    // SAFETY: sends a signal to a child that has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let run = Run::of(&line, child.wait_with_output().unwrap()).expect(130);
    assert!(run.stderr.contains("interrupted"), "{}", run.stderr);
    Journal::read(&board.folder.path("journal")).assert_clean();
    // Without a progress monitor the engine under construction is finished, and kept.
    let whole = usize::from(board.version() < (10, 0));
    assert!(board.plans() <= whole, "nothing half built is kept");
}

/// On a terminal, which `script` makes one of.
#[test]
fn a_build_shows_its_phases() {
    let Some(board) = Board::new() else { return };
    let call = board.command(
        &format!("build net.dla --backend tensorrt {PLAN}"),
        "slow-build=150",
    );
    let words = call.get_args().map(|word| word.to_str().unwrap());
    let program = call.get_program().to_str().unwrap();
    let line: Vec<&str> = std::iter::once(program).chain(words).collect();
    let mut script = Command::new("script");
    script.args(["-qec", &line.join(" "), "/dev/null"]);
    script.current_dir(board.folder.path(""));
    for (name, value) in call.get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    let run = Run::of("build on a terminal", script.output().unwrap()).expect(0);
    let phases = board.version() >= (10, 0);
    assert_eq!(
        run.stdout.contains("Building Engine 1/"),
        phases,
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("prefix x2 on dla"), "{}", run.stdout);
}
