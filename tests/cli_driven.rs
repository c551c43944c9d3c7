//! Models of which TVM keeps a part: TVM's executor drives them, at any number of rows.

mod cli_support;

use std::path::Path;
use std::process::Command;

use cli_support::Folder;

/// Compiles max_pool2d -> relu (ours) -> tan (TVM's) for two rows, and has TVM itself run five rows, the last filled up.
const COMPILE: &str = r#"
import sys
import numpy as np
import tvm
from tvm import relay
from tvm.contrib import graph_executor
import tvm_dla

folder = sys.argv[1]
x = relay.var("x", shape=(2, 3, 8, 8))
y = relay.tan(relay.nn.relu(relay.nn.max_pool2d(x, pool_size=(2, 2), strides=(2, 2))))
main = tvm.IRModule.from_expr(relay.Function([x], y))
target = "llvm -mtriple=x86_64-linux-gnu"
with tvm.transform.PassContext(opt_level=3):
    ours = relay.build(tvm_dla.partition_for_dla(main), target)
    tvms = relay.build(main, target)
tvm_dla.export_library(ours, folder + "/parts.so")
rows = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype("float32")
np.save(folder + "/x.npy", rows)
executor = graph_executor.GraphModule(tvms["default"](tvm.cpu()))
results = []
for start in (0, 2, 4):
    part = rows[start : start + 2]
    executor.run(x=np.concatenate([part, part])[:2])
    results.append(executor.get_output(0).numpy()[: len(part)])
np.save(folder + "/want.npy", np.concatenate(results))
"#;

#[test]
fn tvm_drives_a_model_it_keeps_a_part_of_with_the_runtime_that_compiled_it() {
    for version in ["0.9", "0.16"] {
        let folder = Folder::new();
        folder.write("compile.py", COMPILE.as_bytes());
        let python =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!(".venv/{version}/bin/python"));
        let script = Command::new(&python)
            .arg(folder.path("compile.py"))
            .arg(folder.0.path())
            .env_remove("LD_LIBRARY_PATH")
            .output()
            .unwrap_or_else(|e| panic!("{}: {e}; run ./scripts/setup", python.display()));
        let errors = String::from_utf8_lossy(&script.stderr);
        assert!(script.status.success(), "TVM {version}: {errors}");

        folder
            .run("run parts.so --input x.npy --output y.npz")
            .expect(0);
        folder
            .run("run parts.so --input x.npy --output y.npy")
            .expect(0);
        let (have, want) = (folder.read("y.npy"), folder.read("want.npy"));
        assert_eq!(have.shape(), want.shape(), "TVM {version}");
        let largest = (&have - &want).iter().fold(0.0f32, |a, d| a.max(d.abs()));
        assert!(largest < 1e-6, "TVM {version}: {largest}");

        let run = folder
            .run("run parts.so --input x.npy --plan gpu=5x1")
            .expect(2);
        assert!(run.stderr.contains("TVM drives"), "{}", run.stderr);
        let run = folder.run("bench parts.so").expect(2);
        assert!(run.stderr.contains("parts.so"), "{}", run.stderr);
    }
}
