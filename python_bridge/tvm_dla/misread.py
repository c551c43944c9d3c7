"""Nodes of an ONNX model that TVM's front end is known to read as another function.

The result would be wrong without a word, in TVM's own build too, so each is named while the model
is read.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tvm


@dataclass(frozen=True)
class Misread:
    """A node, what TVM makes of it, and what to do."""

    node: str
    op: str
    reads: str
    do: str

    def __str__(self) -> str:
        return (
            f"warning: TVM {tvm.__version__} reads `{self.node}` ({self.op}) {self.reads}, "
            f"so results will be wrong: {self.do}"
        )


def warn(model: Any) -> None:
    """Names every such node of the model on standard error."""
    for entry in misread(model):
        print(f"dla: {entry}", file=sys.stderr)


def misread(model: Any) -> list[Misread]:
    """Every node of the model's main graph that this TVM reads wrongly."""
    reader = _Reader(model)
    found = [(node, reader.wrong(node)) for node in model.graph.node]
    return [
        Misread(node.name or node.output[0], node.op_type, *wrong)
        for node, wrong in found
        if wrong is not None
    ]


class _Reader:
    def __init__(self, model: Any) -> None:
        import onnx

        self._model = model
        self._attribute = onnx.helper.get_attribute_value
        opsets = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
        self._opset = max(opsets, default=1)
        self._early = tvm.__version__.startswith("0.9")
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}

    def wrong(self, node: Any) -> tuple[str, str] | None:
        """How TVM reads the node, and what to do; None where it reads it right."""
        attributes = {a.name: self._attribute(a) for a in node.attribute}
        check = getattr(self, f"_{node.op_type.lower()}", None)
        result: tuple[str, str] | None = check(node, attributes) if check else None
        return result

    @cached_property
    def _shapes(self) -> dict[str, list[int]]:
        return _shapes(self._model)

    def _clip(self, node: Any, _: dict[str, Any]) -> tuple[str, str] | None:
        given = [bool(name) for name in node.input[1:]] + [False, False]
        if self._early and given[:2] == [True, False]:
            return "with its least value as the largest", "give both bounds in the model"
        return None

    def _softmax(self, node: Any, attributes: dict[str, Any]) -> tuple[str, str] | None:
        shape = [] if self._opset >= 13 else self._shapes.get(node.input[0])
        if not shape:
            return None
        behind = shape[attributes.get("axis", 1) % len(shape) + 1 :]
        if math.prod(behind) > 1:
            return (
                "over one axis, where before opset 13 it is over all axes from that one on",
                "export the model with opset 13",
            )
        return None

    _logsoftmax = _softmax

    def _convtranspose(self, node: Any, attributes: dict[str, Any]) -> tuple[str, str] | None:
        weight = self._weights.get(node.input[1])
        if weight is None or not bytes(attributes.get("auto_pad", b"")).startswith(b"SAME"):
            return None
        sides = list(weight.dims)[2:]
        strides = attributes.get("strides", [1] * len(sides))
        dilations = attributes.get("dilations", [1] * len(sides))
        pads = [(k - 1) * d + 1 - s for k, s, d in zip(sides, strides, dilations)]
        if any(pad > 0 and pad % 2 for pad in pads):
            return (
                "with auto_pad's odd padding on the other side",
                "write the padding out (pads) in the place of auto_pad",
            )
        return None

    def _prelu(self, node: Any, _: dict[str, Any]) -> tuple[str, str] | None:
        slope = self._weights.get(node.input[1])
        dims = [] if slope is None else list(slope.dims)
        vector = len(dims) == 1 and dims[0] > 1
        if vector and len(self._shapes.get(node.input[0], [])) > 2:
            return (
                "with slopes by channel, where they are by element of the last axis",
                "give the slopes all axes but the first ([C, 1, 1] by channel)",
            )
        return None

    def _reducesum(self, node: Any, _: dict[str, Any]) -> tuple[str, str] | None:
        axes = self._weights.get(node.input[1]) if len(node.input) > 1 else None
        if self._opset >= 13 and axes is not None and math.prod(axes.dims) > 1:
            return (
                "over the first of its axes alone",
                "sum over one axis after the other, or export with opset 11",
            )
        return None


def _shapes(model: Any) -> dict[str, list[int]]:
    """Of every tensor whose shape is known without running the model."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # a model that ONNX cannot follow is the front end's to refuse
        graph = model.graph
    shapes = {}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        dims = value.type.tensor_type.shape.dim
        shapes[value.name] = [dim.dim_value or 1 for dim in dims]
    return shapes
