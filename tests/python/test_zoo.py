"""Classic CNNs: compiled for dla and run by stock TVM, compared with TVM's own LLVM build."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from tvm import relay
from tvm.contrib import graph_executor

import tvm_dla

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/models"))

import zoo  # noqa: E402

LLVM = "llvm -mtriple=x86_64-linux-gnu"


def run(mod: Any, params: Any, name: str, data: Any) -> Any:
    with tvm.transform.PassContext(opt_level=3):
        library = relay.build(mod, target=LLVM, params=params)
    executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
    executor.set_input(name, data)
    executor.run()
    return executor.get_output(0).numpy()


@pytest.mark.parametrize("model", zoo.NAMES)
def test_agrees_with_llvm(model: str, capsys: Any) -> None:
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
    result = run(partitioned, {}, name, data)
    scale = np.abs(reference).max()
    difference = np.abs(result - reference).max() / scale
    with capsys.disabled():
        print(f"\n{model}: {difference:.1e} of the largest output\n{report}")
    assert sum(region.prefix for region in report.regions) > 0, "nothing would run on the DLA"
    assert difference < 1e-4
    del mod, params, partitioned, net
    gc.collect()
