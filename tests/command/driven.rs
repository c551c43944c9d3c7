//! Models of which TVM keeps a part: around their network, where plans and any batch stay, or between networks.

use std::path::Path;
use std::process::Command;

use crate::cli_support::Folder;

/// Compiles the model `KIND` for two rows, and has TVM itself run five rows, the last filled up.
const COMPILE: &str = r#"
import sys
import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor
import tvm_dla

folder, kind = sys.argv[1:]
x = relay.var("x", shape=(2, 3, 8, 8))
pool = lambda e: relay.nn.max_pool2d(e, pool_size=(2, 2), strides=(2, 2))
ours = lambda e: relay.nn.relu(pool(e))
stays = lambda e: relay.cumsum(e, axis=3)
constant = relay.const(np.arange(6, dtype="float32").reshape(1, 3, 2))
y = ours(x)
body = {
    "tail": lambda: stays(y),
    "head": lambda: ours(stays(x)),
    "both": lambda: stays(ours(stays(x))),
    "integers": lambda: relay.floor_mod(relay.cast(y * relay.const(10.0), "int32"), relay.const(3, "int32")),
    "twice": lambda: relay.Tuple([y, stays(y), y]),
    "constant": lambda: relay.Tuple([y, constant]),
    "through": lambda: relay.Tuple([x, y, constant, y]),
    "again": lambda: relay.less(stays(relay.nn.upsampling(y, 2, 2)), stays(x)),
    "moved": lambda: stays(relay.transpose(y, (1, 0, 2, 3))),
    "back": lambda: relay.transpose(stays(relay.transpose(y, (1, 0, 2, 3))), (1, 0, 2, 3)),
    "front": lambda: ours(stays(relay.transpose(stays(x), (1, 0, 2, 3)))),
    "sorted": lambda: relay.sort(y, axis=0),
    "best": lambda: relay.argmax(y, axis=0),
    "middle": lambda: pool(relay.nn.relu(stays(ours(x)))),
}[kind]()
main = tvm.IRModule.from_expr(relay.Function([x], body))
target = "llvm -mtriple=x86_64-linux-gnu"
with tvm.transform.PassContext(opt_level=3):
    ours = relay.build(tvm_dla.partition_for_dla(main), target)
    tvms = relay.build(main, target)
tvm_dla.export_library(ours, folder + "/parts.so")
rows = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype("float32")
np.save(folder + "/x.npy", rows)
np.save(folder + "/four.npy", rows[:4])
executor = graph_executor.GraphModule(tvms["default"](tvm.cpu()))
results = []
for start in (0, 2, 4):
    part = rows[start : start + 2]
    executor.run(x=np.concatenate([part, part])[:2])
    outputs = [executor.get_output(i).numpy() for i in range(executor.get_num_outputs())]
    results.append([o[: len(part)] if len(o) == 2 else o for o in outputs])
for name, parts in zip(["half0", "half1"], results):
    np.save(folder + f"/{name}.npy", parts[0].astype("float32"))
for i, parts in enumerate(zip(*results)):
    fixed = parts[0].shape == (1, 3, 2)
    whole = parts[0] if fixed else np.concatenate(parts)
    np.save(folder + f"/want{i}.npy", whole.astype("float32"))
    open(folder + f"/type{i}", "w").write(str(whole.dtype))
"#;

/// What TVM keeps of a model.
struct Case {
    kind: &'static str,
    /// Of one network; empty where TVM has nothing to do.
    kept: &'static str,
    /// What `inspect` says besides.
    inspected: &'static str,
    outputs: usize,
    why: &'static str,
}

const CASES: [Case; 8] = [
    Case {
        kind: "tail",
        kept: "TVM computes 1 function behind the network",
        inspected: "stays with TVM: cumsum (1x)",
        outputs: 1,
        why: "an operator that no layer computes, at the end",
    },
    Case {
        kind: "head",
        kept: "TVM computes 1 function in front of the network",
        inspected: "stays with TVM: cumsum (1x)",
        outputs: 1,
        why: "the same at the front",
    },
    Case {
        kind: "both",
        kept: "TVM computes 1 function in front of the network, 1 function behind the network",
        inspected: "stays with TVM: cumsum (2x)",
        outputs: 1,
        why: "both ends at once",
    },
    Case {
        kind: "integers",
        kept: "behind the network",
        inspected: "output output_0 [2, 3, 4, 4]: TVM, behind the network",
        outputs: 1,
        why: "a tail that gives integers",
    },
    Case {
        kind: "twice",
        kept: "TVM computes 1 function behind the network",
        inspected: "output output_2 [2, 3, 4, 4]: the network, its output 0",
        outputs: 3,
        why: "the network's output beside what TVM makes of it, and once more",
    },
    Case {
        kind: "constant",
        kept: "",
        inspected: "output output_1 [1, 3, 2]: constant",
        outputs: 2,
        why: "anchors: nothing computes them, and they have no rows",
    },
    Case {
        kind: "through",
        kept: "",
        inspected: "output x [2, 3, 8, 8]: input x, as it is",
        outputs: 4,
        why: "an input is an output, and another comes twice",
    },
    Case {
        kind: "again",
        kept: "behind the network",
        inspected: "stays with TVM: cumsum (2x)",
        outputs: 1,
        why: "a tail that takes the model's input too",
    },
];

const VERSIONS: [&str; 2] = ["0.9", "0.16"];

fn compile(version: &str, kind: &str) -> Folder {
    let folder = Folder::new();
    folder.write("compile.py", COMPILE.as_bytes());
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".venv/{version}/bin/python"));
    let script = Command::new(&python)
        .arg(folder.path("compile.py"))
        .arg(folder.0.path())
        .arg(kind)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; run ./scripts/setup", python.display()));
    let errors = String::from_utf8_lossy(&script.stderr);
    assert!(script.status.success(), "{kind} with TVM {version}: {errors}");
    folder
}

/// Numbers of a file of this type as float32.
macro_rules! in_its_type {
    ($dtype:expr, $read:expr) => {
        match $dtype {
            "float32" => {
                let array: ndarray::ArrayD<f32> = $read.unwrap();
                array
            }
            "int32" => {
                let array: ndarray::ArrayD<i32> = $read.unwrap();
                array.mapv(|value| value as f32)
            }
            "bool" => {
                let array: ndarray::ArrayD<bool> = $read.unwrap();
                array.mapv(|value| f32::from(u8::from(value)))
            }
            other => panic!("no case has {other}"),
        }
    };
}

/// The outputs in `have.npy` or `have.npz` are TVM's own, in their types.
fn same_as_tvm(folder: &Folder, have: &str, outputs: usize, why: &str) {
    for index in 0..outputs {
        let want = folder.read(&format!("want{index}.npy"));
        let dtype = std::fs::read_to_string(folder.path(&format!("type{index}"))).unwrap();
        let have: ndarray::ArrayD<f32> = match outputs {
            1 => in_its_type!(dtype.as_str(), ndarray_npy::read_npy(folder.path(have))),
            _ => {
                let file = std::fs::File::open(folder.path(have)).unwrap();
                let mut arrays = ndarray_npy::NpzReader::new(file).unwrap();
                let names = arrays.names().unwrap();
                in_its_type!(dtype.as_str(), arrays.by_name(&names[index]))
            }
        };
        assert_eq!(have.shape(), want.shape(), "{why}: output {index}");
        let differences = (&have - &want).mapv(f32::abs);
        let largest = differences.iter().fold(0.0f32, |a, d| a.max(*d));
        assert!(largest < 1e-5, "{why}: output {index}: {largest}");
    }
}

#[test]
fn what_stands_around_one_network_takes_nothing_from_it() {
    for version in VERSIONS {
        for case in &CASES {
            let folder = compile(version, case.kind);
            let why = format!("{} with TVM {version}", case.why);
            let file = match case.outputs {
                1 => "y.npy",
                _ => "y.npz",
            };
            for options in ["", "--plan gpu=2x1,dla0=1x1,dla1=2x1", "--batch 5 --devices gpu"] {
                let run = folder.run(&format!(
                    "run parts.so --input x.npy --output {file} --precision fp32 {options}"
                ));
                let run = run.expect(0);
                assert!(run.stderr.contains(case.kept), "{why}: {}", run.stderr);
                assert_eq!(run.stderr.contains("TVM"), !case.kept.is_empty(), "{why}");
                same_as_tvm(&folder, file, case.outputs, &format!("{why} {options}"));
            }
            let inspected = folder.run("inspect parts.so").expect(0).stdout;
            assert!(inspected.contains(case.inspected), "{why}: {inspected}");
            let plan = folder.run("plan parts.so --batch 8").expect(0);
            assert!(plan.stdout.starts_with("gpu="), "{why}: {}", plan.stdout);
        }
    }
}

#[test]
fn a_stream_goes_through_what_tvm_computes() {
    for case in CASES.iter().filter(|case| case.kind != "constant") {
        let folder = compile("0.9", case.kind);
        let file = match case.outputs {
            1 => "y.npy",
            _ => "y.npz",
        };
        let line = format!("stream parts.so --source x.npy --output {file} --precision fp32");
        folder.run(&line).expect(0);
        same_as_tvm(&folder, file, case.outputs, case.why);
    }
}

#[test]
fn figures_are_of_the_network_alone_and_say_so() {
    let folder = compile("0.9", "both");
    for line in [
        "bench parts.so --batch 4 --repeats 1",
        "plan parts.so --batch 4",
        "calibrate parts.so --npz x.npy --output t.calib",
        "run parts.so --input x.npy --precision int8 --calibration t.calib.json",
    ] {
        let run = folder.run(line).expect(0);
        assert!(run.stderr.contains("TVM computes"), "{line}: {}", run.stderr);
    }
}

#[test]
fn parts_between_networks_are_driven_by_tvm_with_the_options_of_run() {
    for version in VERSIONS {
        let folder = compile(version, "middle");
        let line = "run parts.so --input x.npy --output y.npy --precision fp32";
        for options in ["", "--plan gpu=2x1", "--devices gpu"] {
            let run = folder.run(&format!("{line} {options}")).expect(0);
            assert!(run.stderr.contains("its runtime drives it"), "{}", run.stderr);
            same_as_tvm(&folder, "y.npy", 1, &format!("TVM {version} {options}"));
        }
        let json = folder.run("inspect parts.so --json").expect(0).json();
        assert_eq!(json["kept"][0]["op"], "cumsum");
        assert!(json["kept"][0]["reason"].is_string());
        for line in ["bench parts.so", "plan parts.so --batch 2", "serve parts.so"] {
            let run = folder.run(line).expect(2);
            let want = "the model became 2 networks, and 1 function of TVM stands between them";
            assert!(run.stderr.contains(want), "{line}: {}", run.stderr);
            assert!(!run.stderr.contains("libtvm_runtime"), "{}", run.stderr);
        }
    }
}

/// Where the network, or what TVM makes behind it, has not the rows of the model.
#[test]
fn what_has_no_rows_goes_in_whole_executions() {
    for (kind, stacked, why) in [
        ("moved", true, "the network's output moves axis 0 away"),
        ("back", false, "and TVM moves it back"),
        ("front", true, "the network has three rows, which are channels"),
        ("best", true, "TVM looks for the best row"),
    ] {
        let folder = compile("0.9", kind);
        let halves = ["half0.npy", "half1.npy"].map(|half| folder.read(half));
        for line in [
            "run parts.so --input four.npy --output y.npy --precision fp32",
            "stream parts.so --source four.npy --output y.npy --precision fp32",
        ] {
            folder.run(line).expect(0);
            let have: ndarray::ArrayD<f32> = match kind {
                "best" => in_its_type!("int32", ndarray_npy::read_npy(folder.path("y.npy"))),
                _ => folder.read("y.npy"),
            };
            let one = halves[0].shape();
            let shape = if stacked {
                [&[2], one].concat()
            } else {
                [&[4], &one[1..]].concat()
            };
            assert_eq!(have.shape(), shape, "{why}: {line}");
            let want = halves.iter().flat_map(|half| half.iter());
            let near = have.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "{why}: {line}");
        }
        for line in [
            "bench parts.so --batch 12 --repeats 1",
            "calibrate parts.so --npz four.npy --output t.calib",
            "accuracy parts.so --npz four.npy",
        ] {
            folder.run(line).expect(0);
        }
        let run = folder.run("run parts.so --input x.npy --precision fp32");
        let run = run.expect(2);
        let said = run.stderr.contains("runs only in batches of 2") && run.stderr.contains("5 rows");
        assert!(said, "{why}: {}", run.stderr);
    }
}

/// Nothing says whether TVM's functions keep rows apart, but their results do.
#[test]
fn a_batch_that_tvm_mixes_is_not_filled_up() {
    let folder = compile("0.9", "sorted");
    let line = "run parts.so --precision fp32 --output y.npy --input";
    folder.run(&format!("{line} four.npy")).expect(0);
    let run = folder.run(&format!("{line} x.npy")).expect(2);
    let want = "runs only in batches of 2: 1 row cannot be filled up to one";
    assert!(run.stderr.contains(want), "{}", run.stderr);
}
