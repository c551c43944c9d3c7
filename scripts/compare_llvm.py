"""The largest difference between an artifact and TVM's own LLVM build of the same ONNX model.

`compare_llvm.py MODEL.onnx ARTIFACT [--rows N] [--limit X]`: both get the same seeded input; exit
status 1 when they differ by more than the limit.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tvm
from tvm import relay
from tvm.contrib import graph_executor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--rows", type=int, default=8, help="rows of the input (default 8)")
    parser.add_argument("--limit", type=float, default=1e-4, help="largest difference allowed")
    arguments = parser.parse_args()
    model = onnx.load(str(arguments.model))
    name, shape = _input(model)
    data = np.random.default_rng(0).uniform(-1, 1, [arguments.rows, *shape[1:]])
    ours = _run_artifact(arguments.artifact, data.astype(np.float32))
    reference = _run_llvm(model, name, data.astype(np.float32))
    worst = float(np.abs(ours - reference).max())
    print(
        f"largest difference from TVM's LLVM build over {arguments.rows} rows: {worst:.2e} "
        f"(outputs up to {float(np.abs(reference).max()):.3g}; limit {arguments.limit:g})"
    )
    return 0 if worst <= arguments.limit else 1


def _input(model: Any) -> tuple[str, list[int]]:
    stored = {entry.name for entry in model.graph.initializer}
    value = next(i for i in model.graph.input if i.name not in stored)
    return value.name, [d.dim_value for d in value.type.tensor_type.shape.dim]


def _run_artifact(artifact: Path, data: Any) -> Any:
    binary = Path(__file__).parents[1] / "target/release/tvm-dla"
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "x.npy", Path(folder) / "y.npy"
        np.save(source, data)
        command = [binary, "--quiet", "run", artifact, "--input", source, "--output", result]
        command += ["--precision", "fp32"]  # TVM's build computes in float32
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        return np.load(result)


def _run_llvm(model: Any, name: str, data: Any) -> Any:
    mod, params = relay.frontend.from_onnx(model, shape={name: data.shape})
    with tvm.transform.PassContext(opt_level=3):
        triple = f"llvm -mtriple={platform.machine()}-linux-gnu"
        library = relay.build(mod, target=triple, params=params)
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    executor.set_input(name, data)
    executor.run()
    return executor.get_output(0).numpy()


if __name__ == "__main__":
    sys.exit(main())
