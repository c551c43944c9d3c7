"""Folds constants: what does not depend on an input is computed once, here.

TVM's FoldConstant builds a program for every call of constants. numpy computes nearly all of them
(`values`), the plugin says what quantised constants are, and TVM is asked for what is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relay

from .library import function
from .values import DTYPES, Value, evaluate, static_shape

# These need the shape of their operand, and not its elements.
BY_SHAPE = frozenset(["shape_of", "vm.shape_of", "ndarray_size", "zeros_like", "ones_like"])
# These are one element times a shape: large ones stay operators where nothing else folds.
FILLING = frozenset(["full", "zeros", "ones", "zeros_like", "ones_like"])
# These need the shape of their second operand, which their own type has, and not its elements.
LIKE = frozenset(["broadcast_to_like", "reshape_like"])
# These repeat a smaller operand by themselves.
REPEATING = frozenset(["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"])
# A fill of this many elements is kept as a constant.
SMALL = 4096


def fold_constants(mod: Any) -> Any:
    """`mod`, type-checked, with the constant expressions of `main` folded."""
    main = mod["main"]
    body = Folder(quantised=True).fold(main.body)
    if body is None:
        return relay.transform.FoldConstant()(mod)
    mod["main"] = relay.Function(main.params, body, main.ret_type, main.type_params, main.attrs)
    return relay.transform.InferType()(mod)


class Folder:
    """Folds expressions that share parts: each part is looked at once.

    `quantised` also folds `qnn` calls of constants. `given` are values of variables by name.
    """

    def __init__(self, quantised: bool = False, given: dict[str, Any] | None = None) -> None:
        self.quantised = quantised
        self.given = given or {}
        self.values: dict[Any, Value] = {}
        self.plain: dict[Any, Any] = {}

    def fold(self, expr: Any) -> Any | None:
        """`expr` over folded constants; None where it holds functions or control flow."""
        return self._whole(expr) if self._visit(expr) else None

    def value(self, expr: Any) -> Value | None:
        """The value of `expr`, if it depends on nothing unknown."""
        return self._value(expr) if self._visit(expr) else None

    def _visit(self, expr: Any) -> bool:
        """Operands first, without recursion. False for an expression of an unknown kind."""
        stack = [expr]
        while stack:
            top = stack[-1]
            if top in self.plain:
                stack.pop()
                continue
            operands = operands_of(top)
            if operands is None:
                return False
            waiting = [operand for operand in operands if operand not in self.plain]
            if waiting:
                stack.extend(waiting)
            else:
                stack.pop()
                self._add(top)
        return True

    def _add(self, expr: Any) -> None:
        if isinstance(expr, relay.Call):
            self.plain[expr] = self._call(expr)
        elif isinstance(expr, relay.TupleGetItem):
            self.plain[expr] = self._item(expr)
        elif isinstance(expr, relay.Tuple):
            fields = [self._whole(field) for field in expr.fields]
            self.plain[expr] = expr if _same(fields, expr.fields) else relay.Tuple(fields)
        else:
            self.plain[expr] = expr
            if isinstance(expr, relay.Var) and expr.name_hint in self.given:
                self.values[expr] = _array(self.given[expr.name_hint])
        folded = self.plain[expr]
        if folded is not expr:
            self.plain[folded] = folded
            if expr in self.values:
                self.values[folded] = self.values[expr]

    def _item(self, expr: Any) -> Any:
        source, index = self.plain[expr.tuple_value], int(expr.index)
        if isinstance(source, relay.Tuple):
            return self.plain.get(source.fields[index], source.fields[index])
        value = self._value(expr.tuple_value)
        if value is not None:
            self.values[expr] = value[index]
        return expr if source is expr.tuple_value else relay.TupleGetItem(source, index)

    def _call(self, call: Any) -> Any:
        name = str(call.op.name)
        value = _by_shape(name, call) if name in BY_SHAPE else None
        if value is None:
            value = self._computed(name, call)
        if value is not None:
            self.values[call] = value
            return call
        operands = list(call.args)
        arguments = [self._argument(name, operands, place) for place in range(len(operands))]
        if _same(arguments, call.args):
            return call
        return relay.Call(call.op, arguments, call.attrs, call.type_args, call.span)

    def _computed(self, name: str, call: Any) -> Value | None:
        read = call.args[:1] if name in LIKE else call.args
        operands = [self._value(argument) for argument in read]
        if any(operand is None for operand in operands) or not (operands or name in FILLING):
            return None
        if name.startswith("qnn.") and not self.quantised:
            return None
        _typed(call)
        value = evaluate(call, operands)
        if value is not None or name in LIKE:
            return value
        constant = [_constant(operand) for operand in operands]
        return _asked(relay.Call(call.op, constant, call.attrs, call.type_args, call.span))

    def _argument(self, name: str, operands: list[Any], place: int) -> Any:
        """An operand of a call that stays: once, where the call itself would repeat it."""
        value = self.values.get(operands[place])
        others = [static_shape(type_of(x)) for i, x in enumerate(operands) if i != place]
        if name in REPEATING and isinstance(value, np.ndarray) and None not in others:
            once = _once(value)
            if once.size < value.size and _joint(once, others) == _joint(value, others):
                return _constant(once)
        return self._whole(operands[place])

    def _whole(self, expr: Any) -> Any:
        """What stands for `expr`: a constant, once for all that read it."""
        value, stays = self.values.get(expr), self.plain[expr]
        if value is None or isinstance(stays, (relay.Constant, relay.Tuple, relay.Var)):
            return stays
        if isinstance(stays, relay.Call) and str(stays.op.name) in FILLING and value.size > SMALL:
            return stays
        folded = _constant(value)
        self.plain[expr] = self.plain[folded] = folded
        return folded

    def _value(self, expr: Any) -> Value | None:
        if expr in self.values:
            return self.values[expr]
        if isinstance(expr, relay.Constant):
            return _array(expr.data) if str(expr.data.dtype) in DTYPES else None
        if isinstance(expr, relay.Tuple):
            fields = [self._value(field) for field in expr.fields]
            return None if any(field is None for field in fields) else fields
        return None


def _typed(call: Any) -> None:
    """Gives a call a type that has none."""
    if type_of(call) is None:
        relay.transform.InferTypeLocal(call)


def type_of(expr: Any) -> Any | None:
    """The type that was inferred, if it was."""
    try:
        return expr.checked_type
    except ValueError:
        return None


def operands_of(expr: Any) -> list[Any] | None:
    """What `expr` reads; None for functions, control flow, and calls of no operator."""
    if isinstance(expr, relay.Call):
        return list(expr.args) if isinstance(expr.op, tvm.ir.Op) else None
    if isinstance(expr, relay.Tuple):
        return list(expr.fields)
    if isinstance(expr, relay.TupleGetItem):
        return [expr.tuple_value]
    return [] if isinstance(expr, (relay.Var, relay.Constant)) else None


def _same(new: list[Any], old: Any) -> bool:
    return all(a.same_as(b) for a, b in zip(new, old))


def _by_shape(name: str, call: Any) -> Value | None:
    shape = static_shape(type_of(call.args[0]))
    if shape is None:
        return None
    if name.endswith("_like"):
        fill = np.asarray(int(name == "ones_like")).astype(str(call.args[0].checked_type.dtype))
        return np.broadcast_to(fill, shape)
    numbers = np.asarray(shape) if name.endswith("shape_of") else np.prod(shape, initial=1)
    return np.asarray(numbers).astype(str(call.attrs.dtype))


def _asked(call: Any) -> Value | None:
    """The value of a call of constants as the plugin or TVM has it."""
    if str(call.op.name).startswith("qnn."):
        for expr in [*call.args, call]:
            _typed(expr)
        found = function("quantised_constant")(call)
        return None if found is None else _array(found)
    try:
        folded = relay.transform.FoldConstantExpr(call, tvm.IRModule())
    except tvm.TVMError:
        return None  # TVM has no program for it: whoever needs the value says so
    fields = folded.fields if isinstance(folded, relay.Tuple) else [folded]
    if not all(isinstance(field, relay.Constant) for field in fields):
        return None
    values = [_array(field.data) for field in fields]
    return values if isinstance(folded, relay.Tuple) else values[0]


def _array(data: Any) -> Any:
    return data if isinstance(data, np.ndarray) else data.numpy()


def _joint(array: Any, shapes: list[Any]) -> Any:
    """The shape of a call of `array` and tensors of these shapes."""
    return np.broadcast_shapes(array.shape, *shapes)


def _once(array: Any) -> Any:
    """A view that repeats elements along whole axes, without the repetitions."""
    sides = zip(array.shape, array.strides)
    return array[tuple(slice(0, 1) if n > 1 and step == 0 else slice(None) for n, step in sides)]


def _constant(value: Value) -> Any:
    if isinstance(value, list):
        return relay.Tuple([_constant(field) for field in value])
    return relay.const(np.ascontiguousarray(value).reshape(value.shape), str(value.dtype))
