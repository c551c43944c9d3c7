"""Lets TVM's AnnotateTarget ask the plugin about each call."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Iterator

import tvm

from .library import function
from .options import canonical

# AnnotateTarget takes a predicate per operator and nothing else, so the options that it is to be
# asked with wait here while the pass runs.
_asking: list[str] = []


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
    _asking.append(options)
    try:
        yield
    finally:
        _asking.pop()


def _taken(call: Any) -> bool:
    return reason(call, _asking[-1] if _asking else canonical({})) == ""
