"""A quantised network as ONNX that rounds where, and as, it is told to.

ONNX Runtime then computes what `tvm_dla` is held to. Made from Relay that has `qnn.quantize` and
`qnn.dequantize` around float32.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relay

LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}


class Rounding(NamedTuple):
    """What is rounded, and how.

    `steps` of activations: "none", "model" for its own integers, or "symmetric" for 127 on either
    side of zero. `weights`: whether these are rounded to as many per output channel, as TensorRT's.
    """

    steps: str
    weights: bool


class Writer:
    """Relay's calls as ONNX nodes."""

    def __init__(self, rounding: Rounding) -> None:
        self.rounding = rounding
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.names: dict[Any, str] = {}

    def node(self, op: str, inputs: list[str], **attrs: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attrs))
        return name

    def constant(self, value: Any, dtype: str = "float32") -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def call(self, call: Any) -> str:
        x = self.names.get(call.args[0], "")
        attrs = call.attrs
        op = str(call.op.name)
        if op == "qnn.quantize":
            return self.quantize(call, x)
        if op == "qnn.dequantize":
            return x
        if op == "transpose":
            return self.node("Transpose", [x], perm=[int(axis) for axis in attrs.axes])
        if op == "nn.conv2d":
            weights = self.constant(self.weights(kernel(call)))
            pads = [int(side) for side in attrs.padding]
            strides = [int(stride) for stride in attrs.strides]
            groups = int(attrs.groups)
            x = self.first(x, str(attrs.data_layout))
            x = self.node("Conv", [x, weights], strides=strides, pads=pads, group=groups)
            return self.back(x, str(attrs.data_layout))
        if op == "nn.bias_add":
            shape = [1, 1, 1, 1]
            shape[int(attrs.axis)] = -1
            bias = call.args[1].data.numpy().reshape(shape)
            return self.node("Add", [x, self.constant(bias)])
        if op == "add":
            return self.node("Add", [x, self.names[call.args[1]]])
        if op == "nn.avg_pool2d":
            x = self.first(x, str(attrs.layout))
            x = self.node("AveragePool", [x], kernel_shape=[int(d) for d in attrs.pool_size])
            return self.back(x, str(attrs.layout))
        if op == "reshape":
            return self.node("Flatten", [x])
        if op == "nn.softmax":
            return self.node("Softmax", [x], axis=1)
        raise AssertionError(f"no network of the tests has {op}")

    def first(self, x: str, layout: str) -> str:
        return x if layout == "NCHW" else self.node("Transpose", [x], perm=[0, 3, 1, 2])

    def back(self, x: str, layout: str) -> str:
        return x if layout == "NCHW" else self.node("Transpose", [x], perm=[0, 2, 3, 1])

    def weights(self, values: Any) -> Any:
        if not self.rounding.weights:
            return values
        largest = np.abs(values).max(axis=(1, 2, 3), keepdims=True)
        step = np.where(largest == 0, 1, largest / 127)
        return np.round(values / step) * step

    def quantize(self, call: Any, x: str) -> str:
        scale, zero = (float(operand.data.numpy()) for operand in call.args[1:])
        dtype = str(call.attrs.out_dtype)
        least, most = LIMITS[dtype]
        if self.rounding.steps == "model":
            how = [self.constant(scale), self.constant(zero, dtype)]
            return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, *how]), *how])
        low = 0.0 if zero == least else -np.inf
        x = self.node("Clip", [x, self.constant(low), self.constant((most - zero) * scale)])
        if self.rounding.steps == "none":
            return x
        in_the_middle = zero - least == most - zero + 1
        step = self.constant(scale * (1 if in_the_middle else max(zero - least, most - zero) / 127))
        steps = self.node("Round", [self.node("Div", [x, step])])
        return self.node(
            "Mul", [self.node("Clip", [steps, *map(self.constant, (-127, 127))]), step]
        )


def kernel(call: Any) -> Any:
    """A convolution's weights as ONNX has them."""
    layout, values = str(call.attrs.kernel_layout), call.args[1].data.numpy()
    values = values.transpose([layout.index(letter) for letter in "OIHW"])
    # The frontend of TFLite calls a depthwise kernel so.
    return values.reshape(-1, 1, *values.shape[2:]) if layout == "HWOI" else values


def logits(mod: tvm.IRModule, rounding: Rounding, inputs: Any) -> Any:
    """What the softmax of `main` reads, for real numbers in the model's order of axes."""
    writer = Writer(rounding)
    order: list[Any] = []
    relay.analysis.post_order_visit(mod["main"].body, order.append)
    output = ""
    for expr in order:
        if isinstance(expr, relay.Var):
            writer.names[expr] = "x"
        elif isinstance(expr, relay.Call):
            if str(expr.op.name) == "nn.softmax":
                output = writer.names[expr.args[0]]
            writer.names[expr] = writer.call(expr)
    shape = [None, *inputs.shape[1:]]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(writer.nodes, "net", [given], [result], writer.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    off = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.graph_optimization_level = off
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": inputs})[0]
