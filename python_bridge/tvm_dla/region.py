"""Marks, inside one external function, which calls are prefix and which are suffix.

The result reads, in Relay's text::

    fn (%x, Compiler="dla", dla_options="{...}") {
      %0 = fn (%x, Composite="dla.prefix") { ...convolutions and pooling... };
      %1 = %0(%x);
      %2 = fn (%cut0, Composite="dla.suffix") { ...classifier... };
      %2(%1)
    }
"""

from __future__ import annotations

import json
from typing import Any

import tvm
from tvm import relay

from .errors import TvmDlaError, message
from .library import function
from .stage import Stage, leaves, source_call, spelled_out


def is_region(func: Any) -> bool:
    """Whether a function of the module is compiled by the plugin."""
    return attribute(func, "Compiler") == "dla"


def attribute(func: Any, name: str) -> str | None:
    """The function's attribute of that name as text."""
    attrs = getattr(func, "attrs", None)
    return str(attrs[name]) if attrs is not None and name in attrs.keys() else None


def calls_of(body: Any) -> list[Any]:
    """The calls of operators in `body`, operands first, nested functions included."""
    calls: list[Any] = []

    def visit(expr: Any) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            calls.append(expr)

    relay.analysis.post_order_visit(body, visit)
    return calls


def cut_region(func: Any, options: str) -> Any:
    """The same function with its calls grouped into the composites `dla.prefix`, `dla.suffix`."""
    calls = calls_of(func.body)
    sides = dict(zip(calls, _sides(func, calls, options)))
    prefix = Stage("dla.prefix", [c for c in calls if sides[c] == "prefix"])
    suffix = Stage("dla.suffix", [c for c in calls if sides[c] == "suffix"])
    results = spelled_out(func.body)
    outputs = leaves(results)
    suffix.produce(outputs)
    prefix.produce(suffix.needs() + outputs)
    values: dict[Any, Any] = {}
    for stage in (prefix, suffix):
        values.update(stage.call(values))
    body = _assemble(results, values)
    whole = relay.Function(func.params, body, func.ret_type, func.type_params, func.attrs)
    return whole.with_attr("dla_options", options)


def _sides(func: Any, calls: list[Any], options: str) -> list[str]:
    try:
        answer = json.loads(str(function("cut")(func, calls, options)))
    except (tvm.TVMError, ValueError) as error:
        raise TvmDlaError(message(error)) from error
    return [str(side) for side in answer["sides"]]


def _assemble(expr: Any, values: dict[Any, Any]) -> Any:
    if isinstance(expr, relay.Tuple):
        return relay.Tuple([_assemble(field, values) for field in expr.fields])
    return values[expr] if source_call(expr) is not None else expr
