"""The multiply-adds of a model as TVM reads it, and its inputs: the whole that shares are of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tvm
from packages import Network
from tvm import relay
from tvm.driver import tvmc


@dataclass(frozen=True)
class Whole:
    """A model: multiply-adds for its input shapes, and the type and shape of every input."""

    macs: int
    inputs: dict[str, tuple[str, list[int]]]


def whole(network: Network, file: Path) -> Whole:
    """Imports the model with TVM's own front end and counts."""
    model = tvmc.load(str(file), shape_dict=shapes(network, file))
    mod = relay.transform.InferType()(model.mod)
    inputs = [var for var in mod["main"].params if var.name_hint not in model.params]
    types = {var.name_hint: (str(var.checked_type.dtype), _shape(var)) for var in inputs}
    return Whole(_count(mod["main"]), types)


def shapes(network: Network, file: Path) -> dict[str, list[int]] | None:
    """Shapes for inputs that the file leaves open."""
    if network.shape is None:
        return None
    import onnx

    graph = onnx.load(str(file)).graph
    stored = {entry.name for entry in graph.initializer}
    entry = next(i.name for i in graph.input if i.name not in stored)
    return {entry: list(network.shape)}


def _count(main: Any) -> int:
    calls: list[Any] = []

    def visit(expr: Any) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            calls.append(expr)

    relay.analysis.post_order_visit(main, visit)
    return sum(_macs(call) for call in calls)


def _macs(call: Any) -> int:
    """Of one call; of a convolution, from its outputs and the weights behind each."""
    name = str(call.op.name).removeprefix("qnn.").removeprefix("nn.").removeprefix("contrib_")
    if name in ("conv1d", "conv2d", "conv3d"):
        weights, layout = _shape(call.args[1]), str(call.attrs.kernel_layout)
        groups = int(call.attrs.groups)
        sides = dict(zip(layout, weights))
        per_output = math.prod(weights) // sides["O"]
        if groups > 1 and layout.index("O") > layout.index("I"):
            # HWOI and HWIO of a depthwise convolution: one input channel per output.
            per_output = math.prod(weights) // sides["O"] // sides["I"]
        return math.prod(_shape(call)) * max(per_output, 1)
    if name in ("conv2d_transpose", "conv1d_transpose"):
        weights = _shape(call.args[1])
        return math.prod(_shape(call.args[0])) * math.prod(weights[1:])
    if name in ("dense", "matmul", "batch_matmul"):
        return math.prod(_shape(call)) * _shape(call.args[0])[-1]
    return 0


def _shape(expr: Any) -> list[int]:
    return [int(side) for side in expr.checked_type.shape]
