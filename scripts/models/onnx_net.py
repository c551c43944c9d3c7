"""A small writer of float32 ONNX classifiers, layer by layer, in NCHW."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = Any

# What TVM 0.9, TVM 0.16 and ONNX Runtime all read.
OPSET = 11
IR_VERSION = 7


class OnnxNet:
    """Grows one graph; each method adds a layer and returns the name of its result."""

    def __init__(self, name: str, input_shape: tuple[int, ...]) -> None:
        self.name = name
        self.input_shape = input_shape
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def weight(self, values: Array) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op: str, inputs: list[str], **attributes: Any) -> str:
        output = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(
        self,
        x: str,
        kernel: Array,
        bias: Array | None = None,
        *,
        stride: int = 1,
        pads: tuple[int, int, int, int] = (0, 0, 0, 0),
        groups: int = 1,
    ) -> str:
        """`kernel` is [out, in / groups, height, width]; `pads` top, left, bottom, right."""
        inputs = [x, self.weight(kernel)] + ([] if bias is None else [self.weight(bias)])
        return self.node(
            "Conv",
            inputs,
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            pads=list(pads),
            group=groups,
        )

    def batch_norm(self, x: str, statistics: list[Array], epsilon: float) -> str:
        """`statistics`: scale, shift, mean, variance."""
        return self.node(
            "BatchNormalization", [x] + [self.weight(s) for s in statistics], epsilon=epsilon
        )

    def relu6(self, x: str) -> str:
        bounds = [self.weight(np.array(v, np.float32)) for v in (0.0, 6.0)]
        return self.node("Clip", [x, *bounds])

    def classifier(self, x: str, weight: Array, bias: Array) -> str:
        """Global average, one dense layer (`weight` is [classes, features]), softmax."""
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])], axis=1)
        x = self.node("Gemm", [x, self.weight(weight), self.weight(bias)], transB=1)
        return self.node("Softmax", [x], axis=1)

    def model(self, output: str, classes: int) -> Any:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [value("input", TensorProto.FLOAT, list(self.input_shape))],
            [value(output, TensorProto.FLOAT, [self.input_shape[0], classes])],
            self.weights,
        )
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """TensorFlow's SAME padding for a square map: the odd element goes to the bottom and right."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    before, after = total // 2, total - total // 2
    return before, before, after, after


def save(model: Any, path: Path) -> None:
    """Writes beside the target and renames: an interrupted run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(model.SerializeToString())
    os.replace(part, path)
