"""Classic CNNs with made-up weights, to compile and compare: `zoo.py NAME OUT.onnx [--batch N]`.

The `onnx` package ships the graphs of its model tests without weights. They get seeded random ones
here, scaled so that activations stay in range (He et al. 2015). MobileNet V1, ResNet-18 and VGG-16
are not among them and are written layer by layer.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from command import positive
from onnx import TensorProto, helper, numpy_helper
from onnx_net import IR_VERSION, OnnxNet, save

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
NAMES = (
    "mobilenet_v1",
    "resnet18",
    "resnet50",
    "vgg19",
    "bvlc_alexnet",
    "squeezenet",
    "inception_v1",
    "inception_v2",
    "densenet121",
    "shufflenet",
    "zfnet512",
)
# Fewer layers of the same kinds as vgg19, which the tests compile.
ALSO = ("vgg16",)


def build(name: str, batch: int = 1) -> Any:
    """One of NAMES or ALSO as a float32 ONNX model for `batch` pictures of 3x224x224."""
    if name == "mobilenet_v1":
        return _mobilenet_v1(batch)
    if name in ("resnet18", "vgg16"):
        model = _resnet18(batch) if name == "resnet18" else _vgg16(batch)
        _tame_logits(model)
        return model
    if name not in NAMES:
        raise SystemExit(f"no model `{name}`: use one of {', '.join(NAMES)}")
    model = onnx.load(str(LIGHT / f"light_{name}.onnx"))
    _fill(model, np.random.default_rng(1))
    _rebatch(model, batch)
    model.ir_version = IR_VERSION
    _tame_logits(model)
    onnx.checker.check_model(model)
    return model


def _fill(model: Any, random: np.random.Generator) -> None:
    """Replaces every ConstantOfShape by an initializer of seeded values."""
    graph = model.graph
    shapes = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    roles = _roles(graph)
    nodes, used = [], set()
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shape = tuple(int(d) for d in shapes[node.input[0]])
            values = _values(roles[node.output[0]], shape, random)
            graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
        else:
            nodes.append(node)
            used.update(node.input)
    del graph.node[:]
    graph.node.extend(nodes)
    _keep(graph.initializer, used)
    # Since IR version 4 initializers are no inputs.
    stored = {i.name for i in graph.initializer}
    _keep(graph.input, used - stored)


def _keep(entries: Any, names: set[str]) -> None:
    kept = [entry for entry in entries if entry.name in names]
    del entries[:]
    entries.extend(kept)


def _roles(graph: Any) -> dict[str, tuple[str, int]]:
    """Name of a value -> operator that reads it, and as which operand; through Unsqueeze."""
    roles: dict[str, tuple[str, int]] = {}
    for node in reversed(graph.node):
        for index, name in enumerate(node.input):
            passes_on = node.op_type == "Unsqueeze" and node.output[0] in roles
            roles[name] = roles[node.output[0]] if passes_on else (node.op_type, index)
    return roles


def _values(role: tuple[str, int], shape: tuple[int, ...], random: np.random.Generator) -> Any:
    op, index = role
    if op in ("Conv", "Gemm") and index == 1:
        scale = np.sqrt(2.0 / np.prod(shape[1:]))
        return (random.standard_normal(shape) * scale).astype(np.float32)
    near_one = op == "Mul" or (op == "BatchNormalization" and index in (1, 4))
    low, high = (0.5, 1.5) if near_one else (-0.1, 0.1)
    return random.uniform(low, high, shape).astype(np.float32)


def _tame_logits(model: Any) -> None:
    """Scales the last dense layer so that logits are of order one.

    Random weights let activations grow; a saturated softmax would hide every difference. The factor
    is a power of two, so that rounding in the run below cannot change the model.
    """
    graph = model.graph
    writers = {node.output[0]: node for node in graph.node}
    softmax = next((node for node in graph.node if node.op_type == "Softmax"), None)
    dense = writers.get(softmax.input[0]) if softmax else None
    while dense is not None and dense.op_type == "Reshape":
        dense = writers.get(dense.input[0])
    if dense is None or dense.op_type != "Gemm":
        return
    probe = onnx.ModelProto.FromString(model.SerializeToString())
    del probe.graph.output[:]
    probe.graph.output.append(
        helper.make_tensor_value_info(dense.output[0], TensorProto.FLOAT, None)
    )
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    entry = session.get_inputs()[0]
    data = np.random.default_rng(1).uniform(-1, 1, entry.shape).astype(np.float32)
    spread = session.run(None, {entry.name: data})[0].std()
    factor = np.float32(2.0 ** -np.round(np.log2(spread)))
    for stored in graph.initializer:
        if stored.name in dense.input[1:]:
            values = numpy_helper.to_array(stored) * factor
            stored.CopyFrom(numpy_helper.from_array(values, stored.name))


def _rebatch(model: Any, batch: int) -> None:
    graph = model.graph
    for value in list(graph.input) + list(graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del graph.value_info[:]
    targets = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for entry in graph.initializer:
        if entry.name in targets:
            dims = numpy_helper.to_array(entry).copy()
            # Zero copies the batch, so that the shape holds for any.
            dims[0] = 0 if dims[0] == 1 else dims[0]
            entry.CopyFrom(numpy_helper.from_array(dims, entry.name))


class _Classic:
    """Layers with seeded weights."""

    def __init__(self, name: str, batch: int) -> None:
        self.net = OnnxNet(name, (batch, 3, 224, 224))
        self.random = np.random.default_rng(1)

    def weights(self, *shape: int) -> Any:
        return _values(("Conv", 1), shape, self.random)

    def conv(self, x: str, out: int, inner: int, k: int, stride: int = 1, groups: int = 1) -> str:
        """A convolution that keeps the size (divided by `stride`), without bias."""
        kernel = self.weights(out, inner, k, k)
        return self.net.conv(x, kernel, stride=stride, pads=(k // 2,) * 4, groups=groups)

    def normalised(self, x: str, c: int) -> str:
        statistics = [_values(("BatchNormalization", i), (c,), self.random) for i in (1, 2, 3, 4)]
        return self.net.batch_norm(x, statistics, 1e-5)

    def pool(self, x: str, k: int, stride: int, pad: int) -> str:
        return self.net.node(
            "MaxPool", [x], kernel_shape=[k, k], strides=[stride, stride], pads=[pad] * 4
        )

    def classified(self, x: str, features: int) -> Any:
        dense, bias = self.weights(1000, features), np.zeros(1000, np.float32)
        return self.net.model(self.net.classifier(x, dense, bias), 1000)


def _resnet18(batch: int) -> Any:
    """He et al. 2016: four stages of two blocks, with projections where the size changes."""
    made = _Classic("resnet18", batch)
    net = made.net
    x = net.node("Relu", [made.normalised(made.conv("input", 64, 3, 7, 2), 64)])
    x = made.pool(x, 3, 2, 1)
    inner = 64
    for out, first in [(64, 1), (128, 2), (256, 2), (512, 2)]:
        for stride in (first, 1):
            y = net.node("Relu", [made.normalised(made.conv(x, out, inner, 3, stride), out)])
            y = made.normalised(made.conv(y, out, out, 3), out)
            if stride != 1 or inner != out:
                x = made.normalised(made.conv(x, out, inner, 1, stride), out)
            x = net.node("Relu", [net.node("Add", [y, x])])
            inner = out
    return made.classified(x, inner)


def _vgg16(batch: int) -> Any:
    """Simonyan and Zisserman 2015, configuration D."""
    made = _Classic("vgg16", batch)
    net, x, inner = made.net, "input", 3
    for out, count in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for _ in range(count):
            x = net.node("Relu", [made.conv(x, out, inner, 3)])
            inner = out
        x = made.pool(x, 2, 2, 0)
    x = net.node("Flatten", [x], axis=1)
    for out, inner in [(4096, 25088), (4096, 4096)]:
        dense = [net.weight(made.weights(out, inner)), net.weight(np.zeros(out, np.float32))]
        x = net.node("Relu", [net.node("Gemm", [x, *dense], transB=1)])
    last = [net.weight(made.weights(1000, 4096)), net.weight(np.zeros(1000, np.float32))]
    return net.model(net.node("Softmax", [net.node("Gemm", [x, *last], transB=1)], axis=1), 1000)


def _mobilenet_v1(batch: int) -> Any:
    """Howard et al. 2017, width 1: a convolution and 13 depthwise-separable pairs."""
    made = _Classic("mobilenet_v1", batch)

    def layer(x: str, out: int, inner: int, k: int, stride: int, groups: int) -> str:
        y = made.conv(x, out, inner, k, stride, groups)
        return made.net.node("Relu", [made.normalised(y, out)])

    x = layer("input", 32, 3, 3, 2, 1)
    channels = 32
    pairs = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    for out, stride in [*pairs, *[(512, 1)] * 5, (1024, 2), (1024, 1)]:
        x = layer(x, channels, 1, 3, stride, channels)
        x = layer(x, out, channels, 1, 1, 1)
        channels = out
    return made.classified(x, channels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMES + ALSO)
    parser.add_argument("out", type=Path)
    parser.add_argument("--batch", type=positive, default=1)
    arguments = parser.parse_args()
    save(build(arguments.name, arguments.batch), arguments.out)
    print(f"wrote {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
