"""Expressions that hold types which no engine computes, as the operator that they spell.

Comparisons give booleans, and some exporters compute in double precision: where such an expression
is a ReLU, or nothing at all, Relay says so before a call is judged alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relay
from tvm.relay.dataflow_pattern import DFPatternCallback, is_op, rewrite, wildcard

# By comparison with zero: whether it holds for positive numbers.
POSITIVE = {"greater": True, "greater_equal": True, "less": False, "less_equal": False}
FLOATS = ("float16", "float32", "float64")


def respell(main: Any) -> Any:
    """`main`, type-checked, with such expressions in plain operators."""
    names: set[str] = set()

    def note(expr: Any) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            names.add(str(expr.op.name))

    relay.analysis.post_order_visit(main, note)
    rules = [("where", _Sides), ("cast", _Widened)]
    rewriters = [rewriter() for name, rewriter in rules if name in names]
    return rewrite(rewriters, main) if rewriters else main


class _Sides(DFPatternCallback):
    """`where(x > 0, x, a * x)` is a leaky ReLU, and a ReLU where the other value is zero."""

    def __init__(self) -> None:
        super().__init__(rewrite_once=True)
        first, *others = [is_op(name)(wildcard(), wildcard()) for name in POSITIVE]
        compared = first
        for other in others:
            compared = compared | other
        self.pattern = is_op("where")(compared, wildcard(), wildcard())

    def callback(self, pre: Any, post: Any, node_map: Any) -> Any:
        condition, holds, otherwise = post.args
        left, right = condition.args
        positive = POSITIVE[str(condition.op.name)]
        if _is_zero(left):
            left, right, positive = right, left, not positive
        above, below = (holds, otherwise) if positive else (otherwise, holds)
        shapes = [expr.checked_type for expr in (pre, pre.args[0])]
        if not _is_zero(right) or not above.same_as(left) or not _same_shape(*shapes):
            return post
        if _is_zero(below):
            return relay.nn.relu(left)
        slope = _factor(below, left)
        if slope is None:
            return post
        values = slope.data.numpy()
        if values.size == 1:
            return relay.nn.leaky_relu(left, float(values.reshape(())))
        negative = relay.minimum(left, relay.const(0.0, str(values.dtype)))
        return relay.nn.relu(left) + negative * slope


class _Widened(DFPatternCallback):
    """A cast to a wider floating type and back rounds nothing."""

    def __init__(self) -> None:
        super().__init__(rewrite_once=True)
        self.pattern = is_op("cast")(is_op("cast")(wildcard()))

    def callback(self, pre: Any, post: Any, node_map: Any) -> Any:
        source, between = pre.args[0].args[0].checked_type, pre.args[0].checked_type
        types = [str(ty.dtype) for ty in (source, between, pre.checked_type)]
        if not set(types) <= set(FLOATS) or types[0] != types[2]:
            return post
        wider = np.dtype(types[1]).itemsize > np.dtype(types[0]).itemsize
        return post.args[0].args[0] if wider else post


def _same_shape(a: Any, b: Any) -> bool:
    return bool(tvm.ir.structural_equal(list(a.shape), list(b.shape)))


def _is_zero(expr: Any) -> bool:
    if isinstance(expr, relay.Call):
        return str(getattr(expr.op, "name", "")) in ("zeros", "zeros_like")
    return isinstance(expr, relay.Constant) and not np.any(expr.data.numpy())


def _factor(product: Any, x: Any) -> Any | None:
    """The constant that `product` is `x` times."""
    if not isinstance(product, relay.Call) or str(getattr(product.op, "name", "")) != "multiply":
        return None
    a, b = product.args
    if a.same_as(x) and isinstance(b, relay.Constant):
        return b
    return a if b.same_as(x) and isinstance(a, relay.Constant) else None
