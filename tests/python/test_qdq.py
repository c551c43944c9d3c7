"""Networks that ONNX Runtime quantised run in INT8 throughout, in each form it can write.

A nearest resize has no INT8 layer here yet.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import LLVM, command, program, save_onnx, tvmc_dla
from onnx import helper, numpy_helper
from onnxruntime import quantization

import tvm_dla


def network(path: Path) -> Path:
    """A residual sum, a concatenation, a split, a resize, pools, a gate and two matrix products."""
    rng = np.random.default_rng(11)
    weights: list[onnx.TensorProto] = []

    def weight(*shape: int) -> str:
        values = (rng.standard_normal(shape) * 0.2).astype("float32")
        weights.append(numpy_helper.from_array(values, f"w{len(weights)}"))
        return weights[-1].name

    def constant(values: Any, dtype: str) -> str:
        weights.append(numpy_helper.from_array(np.array(values, dtype), f"w{len(weights)}"))
        return weights[-1].name

    def node(op: str, inputs: list[str], *outputs: str, **attrs: Any) -> onnx.NodeProto:
        return helper.make_node(op, inputs, list(outputs), **attrs)

    halves = {"kernel_shape": [2, 2], "strides": [2, 2]}
    scales = constant([1, 1, 2, 2], "float32")
    nodes = [
        node("Conv", ["x", weight(8, 3, 3, 3), weight(8)], "c1", pads=[1] * 4),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", weight(8, 8, 3, 3), weight(8)], "c2", pads=[1] * 4),
        node("Add", ["c2", "r1"], "sum"),
        node("Relu", ["sum"], "r2"),
        node("Split", ["r2"], "left", "right", axis=1),
        node("Concat", ["right", "left"], "swapped", axis=1),
        node("AveragePool", ["swapped"], "small", **halves),
        node("Resize", ["small", "", scales], "large", mode="nearest"),
        node("Conv", ["large", weight(8, 8, 1, 1), weight(8)], "c3"),
        node("GlobalAveragePool", ["c3"], "mean"),
        node("Flatten", ["mean"], "flat"),
        node("Gemm", ["flat", weight(6, 8), weight(6)], "g", transB=1),
        node("MatMul", ["g", weight(6, 5)], "y"),
    ]
    return save_onnx(path, nodes, (1, 3, 8, 8), weights)


class Pictures(quantization.CalibrationDataReader):
    """Random pictures to calibrate on."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.left = [rng.standard_normal((1, 3, 8, 8)).astype("float32") for _ in range(16)]

    def get_next(self) -> Any:
        return {"x": self.left.pop()} if self.left else None


FORMS = [
    ({}, "weights in integers, biases too"),
    ({"AddQDQPairToWeight": True}, "weights in float before a pair"),
    ({"QuantizeBias": False}, "biases in float"),
    ({"AddQDQPairToWeight": True, "QuantizeBias": False}, "as NVIDIA's tools write it"),
]


@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize(("extra", "why"), FORMS, ids=[why for _, why in FORMS])
def test_every_node_is_in_int8(
    tmp_path: Path, extra: dict[str, bool], why: str, per_channel: bool
) -> None:
    path = tmp_path / "qdq.onnx"
    quantization.quantize_static(
        str(network(tmp_path / "float.onnx")),
        str(path),
        Pictures(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        extra_options={"ActivationSymmetric": True, **extra},
    )
    package = tmp_path / "qdq.tar"
    target = f"dla -precision=int8, {LLVM}"
    compiled = tvmc_dla("compile", "--target", target, "--output", package, path)
    assert compiled.returncode == 0, compiled.stderr
    assert "stays with TVM" not in compiled.stderr, compiled.stderr
    data = np.random.default_rng(6).standard_normal((6, 3, 8, 8)).astype("float32")
    np.save(tmp_path / "x.npy", data)

    words = ["--input", "x.npy", "--precision", "int8"]
    run = command(program(), "run", package.name, *words, cwd=tmp_path)

    assert run.returncode == 0, run.stderr
    line = re.search(r"^int8 .*$", run.stdout + run.stderr, re.M)
    assert line, run.stdout
    half = re.sub(r"resize2d_0 \(there is no int8 layer for it\)", "nothing", line[0])
    assert "every node" in half or "fp16 for nothing;" in half, f"{why}: {line[0]}"
    (got,) = tvm_dla.Session(package, precision="int8").run(data)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    want = np.concatenate([session.run(None, {"x": row[np.newaxis]})[0] for row in data])
    noise = np.square(got - want).mean() / np.square(want).mean()
    assert noise < 0.02, "the same roundings, but for equal scales and biases"
