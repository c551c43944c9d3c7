"""The CPU backend against TVM's LLVM build and plain ONNX Runtime: same model, one thread each.

`bench_llvm.py [--model NAME ...] [--batch N ...]`: a table of ratios, the three measured in turn in
one run. Figures of this machine, not of a board.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

# Before TVM and ONNX Runtime read it.
os.environ["TVM_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
import tvm
from tvm import relay
from tvm.contrib import graph_executor

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts/models"))

import zoo  # noqa: E402

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", default=["mobilenet_v1", "resnet50"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 32])
    arguments = parser.parse_args()
    print("model batch | images/s: ours, LLVM, ONNX Runtime | ours over LLVM, over ONNX Runtime")
    for name in arguments.model:
        for batch in arguments.batch:
            measure(name, batch)


def measure(name: str, batch: int) -> None:
    model = zoo.build(name, batch)
    stored = {entry.name for entry in model.graph.initializer}
    entry = next(i.name for i in model.graph.input if i.name not in stored)
    data = np.random.default_rng(0).uniform(-1, 1, (batch, 3, 224, 224)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        artifact = compile_for_dla(model, Path(folder))
        llvm, plain = llvm_build(model, entry, data), onnx_runtime(model, entry, data)
        rates: list[list[float]] = [[], [], []]
        for _ in range(ROUNDS):
            rates[0].append(ours(artifact, batch))
            rates[1].append(llvm())
            rates[2].append(plain())
    own, reference, original = (statistics.median(rate) for rate in rates)
    print(
        f"{name} {batch} | {own:.1f} {reference:.1f} {original:.1f} | "
        f"{own / reference:.2f} {own / original:.2f}",
        flush=True,
    )


def compile_for_dla(model: Any, folder: Path) -> Path:
    source, artifact = folder / "model.onnx", folder / "model.tar"
    source.write_bytes(model.SerializeToString())
    tvmc = Path(sys.executable).parent / "tvmc-dla"
    command = [tvmc, "compile", "--target", "dla, llvm", "--output", artifact, source]
    subprocess.run([str(c) for c in command], check=True, stderr=subprocess.DEVNULL)
    return artifact


def ours(artifact: Path, batch: int) -> float:
    binary = ROOT / "target/release/tvm-dla"
    repeats = max(3, 32 // batch)
    command = [binary, "--json", "--quiet", "bench", artifact, "--batch", batch]
    command += ["--repeats", repeats, "--plan", f"gpu={batch}x1"]
    done = subprocess.run([str(c) for c in command], check=True, capture_output=True)
    return float(json.loads(done.stdout)["gpu_only"]["images_per_second"]["median"])


def llvm_build(model: Any, entry: str, data: Any) -> Callable[[], float]:
    mod, params = relay.frontend.from_onnx(model, shape={entry: data.shape})
    features = Path("/proc/cpuinfo").read_text()
    cpu = "skylake-avx512" if "avx512f" in features else "core-avx2" if "avx2" in features else ""
    target = f"llvm -mtriple={platform.machine()}-linux-gnu" + (f" -mcpu={cpu}" if cpu else "")
    with tvm.transform.PassContext(opt_level=3):
        library = relay.build(mod, target=target, params=params)
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    executor.set_input(entry, data)
    return timed(executor.run, len(data))


def onnx_runtime(model: Any, entry: str, data: Any) -> Callable[[], float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return timed(lambda: session.run(None, {entry: data}), len(data))


def timed(run: Callable[[], Any], rows: int) -> Callable[[], float]:
    """Images/s of one sample: the median of a few runs."""

    def sample() -> float:
        seconds = []
        for _ in range(max(3, 32 // rows)):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        return rows / statistics.median(seconds)

    run()
    return sample


if __name__ == "__main__":
    main()
