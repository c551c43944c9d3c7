"""Gives back to TVM the regions that only move data: an engine for a reshape costs more."""

from __future__ import annotations

from typing import Any

import tvm
from tvm.relay.dataflow_pattern import CallPattern, DFPatternCallback, ExprPattern, rewrite

from .region import calls_of, is_region

DATA_MOVEMENT = frozenset(
    [
        "broadcast_to",
        "broadcast_to_like",
        "cast",
        "cast_like",
        "concatenate",
        "contrib_reverse_reshape",
        "copy",
        "expand_dims",
        "gather",
        "gather_nd",
        "layout_transform",
        "nn.batch_flatten",
        "nn.depth_to_space",
        "nn.mirror_pad",
        "nn.pad",
        "nn.space_to_depth",
        "qnn.dequantize",
        "qnn.quantize",
        "repeat",
        "reshape",
        "reshape_like",
        "reverse",
        "slice_like",
        "split",
        "squeeze",
        "stack",
        "strided_slice",
        "take",
        "tile",
        "transpose",
    ]
)


def inline_data_movement(mod: Any) -> Any:
    """`mod` with every region that computes nothing put back into `main`."""
    idle = [name for name, function in mod.functions.items() if _is_idle(function)]
    if not idle:
        return mod
    kept = {name: body for name, body in mod.functions.items() if name not in idle}
    for name in idle:
        main = next(key for key in kept if key.name_hint == "main")
        kept[main] = rewrite(_Inline(name, mod[name]), kept[main])
    result = tvm.IRModule(kept, dict(mod.type_definitions.items()))
    return tvm.relay.transform.InferType()(result)


def _is_idle(function: Any) -> bool:
    return is_region(function) and all(c.op.name in DATA_MOVEMENT for c in calls_of(function.body))


class _Inline(DFPatternCallback):
    """Replaces calls of one global function by its body."""

    def __init__(self, name: Any, function: Any) -> None:
        super().__init__(rewrite_once=True)
        self.function = function
        self.pattern = CallPattern(ExprPattern(name), None)

    def callback(self, pre: Any, post: Any, node_map: Any) -> Any:
        arguments: list[Any] = list(post.args)
        return tvm.relay.bind(self.function.body, dict(zip(self.function.params, arguments)))
