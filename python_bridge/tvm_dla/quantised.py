"""Spells a quantised model out in float32, between `qnn.quantize` and `qnn.dequantize`.

A frontend of TFLite writes `qnn.conv2d`, `nn.bias_add` and `qnn.requantize` on integers; one of
ONNX writes `nn.conv2d` between `qnn.dequantize` and `qnn.quantize`. Both become the latter form,
with weights and biases as float32 constants, so that every other pass and the plugin see an
ordinary network, and ranges at its quantised tensors. The plugin decides which scales can be read;
whatever it refuses keeps its integers, with `qnn.quantize` before it, and stays with TVM.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relay

from .fold import fold_constants
from .library import function
from .real import LIMITS, Real, Scale
from .region import calls_of

KNOWN = (relay.Var, relay.Constant, relay.Call, relay.Tuple, relay.TupleGetItem)


def spell_out(mod: Any) -> Any:
    """`mod`, type-checked, with the quantised operators of `main` spelled out where possible."""
    main = mod["main"]
    if not any(str(call.op.name).startswith("qnn.") for call in calls_of(main.body)):
        return mod
    order: list[Any] = []
    relay.analysis.post_order_visit(main.body, order.append)
    order = [expr for expr in order if not isinstance(expr, tvm.ir.Op)]
    if not all(isinstance(expr, KNOWN) for expr in order):
        return mod
    spelling = Spelling(input_scales(order))
    for expr in order:
        spelling.add(expr)
    body = spelling.plain[main.body]
    mod["main"] = relay.Function(main.params, body, main.ret_type, main.type_params, main.attrs)
    return fold_constants(relay.transform.InferType()(mod))


def input_scales(order: list[Any]) -> dict[Any, Scale]:
    """How the integers of inputs read that are moved or padded before an operator says it."""
    from .quantised_ops import INPUT_SCALES, MOVES

    found: dict[Any, list[Scale]] = {}
    for expr in order:
        named = isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op)
        places = INPUT_SCALES.get(str(expr.op.name), {}) if named else {}
        for data, (scale, zero_point) in places.items():
            source = expr.args[data]
            while isinstance(source, relay.Call) and str(source.op.name) in MOVES:
                source = source.args[0]
            moved = source is not expr.args[data] and isinstance(source, relay.Var)
            if moved and all(isinstance(expr.args[i], relay.Constant) for i in (scale, zero_point)):
                found.setdefault(source, []).append(
                    Scale.of(expr.args[scale], expr.args[zero_point])
                )
    return {
        var: first
        for var, (first, *others) in found.items()
        if str(var.checked_type.dtype) in LIMITS
        and first.is_single()
        and all(first.equals(other) for other in others)
    }


class Spelling:
    """Expressions of the old body -> what they become.

    `plain` has each in its own type; `real` has what integer tensors stand for, where known.
    """

    def __init__(self, inputs: dict[Any, Scale]) -> None:
        self.inputs = inputs
        self.plain: dict[Any, Any] = {}
        self.reals: dict[Any, Real] = {}

    def add(self, expr: Any) -> None:
        """`expr`, whose operands were added before."""
        if expr in self.inputs:
            scale, dtype = self.inputs[expr], str(expr.checked_type.dtype)
            value = relay.qnn.op.dequantize(expr, *scale.operands())
            self.reals[expr] = Real(value, scale, dtype, dtype, expr)
        real = self._real(expr) if isinstance(expr, relay.Call) else None
        if isinstance(real, Real):
            self.reals[expr] = real
            if real.scale.is_single() and real.dtype in LIMITS:
                self.plain[expr] = real.integers()
                return
        self.plain[expr] = self._same(expr) if isinstance(real, (Real, type(None))) else real

    def real(self, expr: Any, scale: Scale) -> Any:
        """What the integers of `expr`, read with `scale`, stand for, in float32."""
        if isinstance(expr, relay.Constant):
            return relay.const(scale.reals(expr.data.numpy()))
        known = self.reals.get(expr)
        if known is not None and known.scale.equals(scale):
            return known.value
        return relay.qnn.op.dequantize(self.plain[expr], *scale.operands(), axis=scale.axis)

    def known(self, expr: Any) -> Real | None:
        """What is known of an integer tensor; of a single scale."""
        real = self.reals.get(expr)
        return real if real is not None and real.scale.is_single() else None

    def _real(self, call: Any) -> Any:
        """The call in float32: a `Real`, or for a call whose result is float32, an expression.

        None when it stays as it is.
        """
        from .quantised_ops import INTEGER_OPS, QNN_OPS

        name = str(call.op.name)
        if name in QNN_OPS and not str(function("check_scales")(call)):
            return QNN_OPS[name](self, call)
        if name in INTEGER_OPS and call.args and self._is_known(call.args[0]):
            return INTEGER_OPS[name](self, call)
        return None

    def _is_known(self, operand: Any) -> bool:
        fields = operand.fields if isinstance(operand, relay.Tuple) else [operand]
        return all(field in self.reals for field in fields)

    def _same(self, expr: Any) -> Any:
        """`expr` over the new operands."""
        if isinstance(expr, relay.Call):
            arguments = [self.plain[argument] for argument in expr.args]
            return relay.Call(expr.op, arguments, expr.attrs, expr.type_args, expr.span)
        if isinstance(expr, relay.Tuple):
            return relay.Tuple([self.plain[field] for field in expr.fields])
        if isinstance(expr, relay.TupleGetItem):
            return relay.TupleGetItem(self.plain[expr.tuple_value], expr.index)
        return expr
