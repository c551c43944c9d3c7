"""Lets TVM's AnnotateTarget ask the plugin about each call."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Iterator

import tvm

from .library import function
from .options import canonical

# AnnotateTarget takes a predicate per operator and nothing else, so what it is to be asked with
# waits here while the pass runs: the options, and the names of inputs in one order.
_asking: list[tuple[str, frozenset[str]]] = []


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
def asking_with(options: str, main: Any) -> Iterator[None]:
    """AnnotateTarget("dla") asks with these options (canonical JSON) inside the block."""
    _asking.append((options, _read_in_one_order(main)))
    try:
        yield
    finally:
        _asking.pop()


def _taken(call: Any) -> bool:
    options, ordered = _asking[-1] if _asking else (canonical({}), frozenset())
    if _rearranges_input(call) and call.args[0].name_hint not in ordered:
        return False
    return reason(call, options) == ""


def _rearranges_input(call: Any) -> bool:
    """A transpose of a model input, which is what NCHW costs an NHWC model."""
    return str(call.op.name) == "transpose" and isinstance(call.args[0], tvm.relay.Var)


def _read_in_one_order(main: Any) -> frozenset[str]:
    """The inputs that are only read through equal transposes: the plugin orders them when they are
    passed. A transpose that remains inside a region keeps what follows it off the DLA."""
    orders: dict[str, set[str]] = {}

    def visit(expr: Any) -> None:
        operands = getattr(expr, "args", getattr(expr, "fields", ()))
        for operand in operands:
            if isinstance(operand, tvm.relay.Var):
                ordered = isinstance(expr, tvm.relay.Call) and _rearranges_input(expr)
                order = str(expr.attrs.axes) if ordered else ""
                orders.setdefault(operand.name_hint, set()).add(order)

    tvm.relay.analysis.post_order_visit(main, visit)
    return frozenset(name for name, its in orders.items() if len(its) == 1 and "" not in its)
