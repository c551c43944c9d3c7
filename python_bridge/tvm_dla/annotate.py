"""Lets TVM's AnnotateTarget ask the plugin about each call."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Iterator

import tvm

from .library import function
from .options import canonical

# AnnotateTarget takes a predicate per operator and nothing else, so the options it is to be asked
# with wait here while the pass runs.
_options: list[str] = []


def register_operators() -> None:
    """Registers the predicate for each operator the plugin knows."""
    known = {str(name) for name in tvm.ir.Op.list_op_names()}
    for name in json.loads(str(function("op_names")())):
        if name in known:
            tvm.ir.register_op_attr(name, "target.dla", _taken)


def reason(call: Any, options: str) -> str:
    """Why `call` stays with TVM; empty if the plugin takes it."""
    return str(function("supported")(call, options))


@contextmanager
def asking_with(options: str) -> Iterator[None]:
    """AnnotateTarget("dla") asks with these options (canonical JSON) inside the block."""
    _options.append(options)
    try:
        yield
    finally:
        _options.pop()


def _taken(call: Any) -> bool:
    if _rearranges_input(call):
        return False
    return reason(call, _options[-1] if _options else canonical({})) == ""


def _rearranges_input(call: Any) -> bool:
    """A transpose of a model input (what NCHW costs an NHWC model) cannot run on the DLA, and
    inside a region it would keep everything after it off the DLA too."""
    return str(call.op.name) == "transpose" and isinstance(call.args[0], tvm.relay.Var)
