"""Classic CNNs: compiled for dla and run by stock TVM, compared with TVM's own LLVM build."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from conftest import command, program
from tvm import relay
from tvm.contrib import graph_executor

import tvm_dla

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/models"))

import zoo  # noqa: E402

LLVM = "llvm -mtriple=x86_64-linux-gnu"


def run(mod: Any, params: Any, name: str, data: Any, keep: Path | None = None) -> Any:
    """The first output; the library is written to `keep`."""
    with tvm.transform.PassContext(opt_level=3):
        library = relay.build(mod, target=LLVM, params=params)
    if keep is not None:
        library.export_library(str(keep))
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    executor.set_input(name, data)
    executor.run()
    return executor.get_output(0).numpy()


def built_by_tensorrt(artifact: Path) -> str:
    """NVIDIA's builder infers every shape as we do and makes an engine of every stage.

    That needs no GPU. A missing library is a loud skip, and with REQUIRE_TENSORRT a failure.
    """
    checked = command(program(), "--json", "--quiet", "check", artifact, "--build-level", "0")
    if checked.returncode == 2 and "REQUIRE_TENSORRT" not in os.environ:
        return f"SKIPPED: TensorRT's builder: {checked.stderr}"
    assert checked.returncode == 0, checked.stdout + checked.stderr
    answer = json.loads(checked.stdout)
    stages = {engine["stage"]: engine for engine in answer["engines"]}
    # DenseNet's classifier is a convolution: the prefix is the whole network, and is built once.
    if artifact.stem == "densenet121":
        assert set(stages) == {"whole"} and stages["whole"]["also"] == ["prefix"]
    else:
        assert set(stages) == {"whole", "prefix", "suffix"}
    for engine in stages.values():
        # Biases and constants have no tensor of their own.
        assert engine["shapes"] > 1 and engine["bytes"] > 100_000, engine
    seconds = sum(engine["seconds"] for engine in stages.values())
    whole = stages["whole"]
    return (
        f"{answer['library']}: {whole['layers']} layers, {whole['shapes']} shapes agree, "
        f"{whole['bytes'] / 2**20:.1f} MiB; {len(stages)} stages in {seconds:.1f} s"
    )


@pytest.mark.parametrize("model", zoo.NAMES)
def test_agrees_with_llvm(model: str, capsys: Any, tmp_path: Path) -> None:
    if model == "vgg19" and not tvm.__version__.startswith("0.9"):
        pytest.skip("550 MB of weights are compared once, with TVM 0.9")
    net = zoo.build(model)
    stored = {entry.name for entry in net.graph.initializer}
    name = next(i.name for i in net.graph.input if i.name not in stored)
    data = np.random.default_rng(0).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    mod, params = relay.frontend.from_onnx(net, shape={name: data.shape})
    reference = run(mod, params, name, data)
    partitioned = tvm_dla.partition_for_dla(mod, params)
    report = tvm_dla.partition_report(partitioned)
    # What TensorRT is given does not depend on which TVM it came through: one is enough.
    artifact = tmp_path / f"{model}.so" if tvm.__version__.startswith("0.9") else None
    result = run(partitioned, {}, name, data, artifact)
    scale = np.abs(reference).max()
    difference = np.abs(result - reference).max() / scale
    with capsys.disabled():
        print(f"\n{model}: {difference:.1e} of the largest output\n{report}")
        if artifact is not None:
            print(built_by_tensorrt(artifact))
    assert sum(region.prefix for region in report.regions) > 0, "nothing would run on the DLA"
    assert difference < 1e-4
    del mod, params, partitioned, net
    gc.collect()
