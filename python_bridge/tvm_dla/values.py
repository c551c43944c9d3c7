"""What an operator of constants is worth, computed with numpy.

Only where numpy computes what TVM's compiled operator does, to float32 rounding. `evaluate` says
None for every other operator, type or attribute: TVM then computes it.
"""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

# A value: an array, or the list of those of a tuple. Arrays may be views that repeat one element.
Value = Any
Evaluate = Callable[[Any, list[Value]], Value]

# The types that numpy and TVM share.
DTYPES = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
)


def evaluate(call: Any, operands: list[Value]) -> Value | None:
    """The value of a type-checked call of an operator over known operands, if numpy knows it."""
    found = OPERATORS.get(str(call.op.name))
    if found is None:
        return None
    with np.errstate(all="ignore"):
        value = found(call, operands)
    return value if value is not None and _has_type(value, call.checked_type) else None


def static_shape(ty: Any) -> tuple[int, ...] | None:
    """The shape of a tensor type without dynamic dimensions."""
    dims = getattr(ty, "shape", None)
    if dims is None or not all(hasattr(dim, "value") for dim in dims):
        return None
    return tuple(int(dim) for dim in dims)


def _has_type(value: Value, ty: Any) -> bool:
    """A guard: what an attribute meant that is not known here shows in the shape or type."""
    if isinstance(value, list):
        fields = list(getattr(ty, "fields", []))
        return len(fields) == len(value) and all(map(_has_type, value, fields))
    shape = static_shape(ty)
    return (shape is None or shape == value.shape) and str(ty.dtype) == str(value.dtype)


def _ints(values: Any) -> list[int] | None:
    if values is None:
        return None
    return [int(v) for v in values] if hasattr(values, "__len__") else [int(values)]


def _shaped(call: Any, operands: list[Value]) -> Value | None:
    """The same elements in another shape, which the type has inferred."""
    shape = static_shape(call.checked_type)
    return None if shape is None else np.reshape(operands[0], shape)


def _binary(function: Callable[[Any, Any], Any], kinds: str = "iuf") -> Evaluate:
    def run(call: Any, operands: list[Value]) -> Value | None:
        a, b = operands
        fits = a.dtype == b.dtype and a.dtype.kind in kinds
        return function(a, b) if fits else None

    return run


def _unary(function: Callable[[Any], Any], kinds: str = "f") -> Evaluate:
    def run(call: Any, operands: list[Value]) -> Value | None:
        (x,) = operands
        return (
            np.asarray(function(x)).astype(x.dtype, copy=False) if x.dtype.kind in kinds else None
        )

    return run


def _test(function: Callable[[Any], Any]) -> Evaluate:
    def run(call: Any, operands: list[Value]) -> Value | None:
        return function(operands[0]) if operands[0].dtype.kind == "f" else None

    return run


def _divide(a: Any, b: Any) -> Any:
    """Integers are divided as in C: towards zero."""
    if a.dtype.kind == "f":
        return a / b
    if np.any(b == 0):
        return None
    quotient = np.floor_divide(a, b)
    inexact = (quotient * b != a) & ((a < 0) != (b < 0))
    return (quotient + inexact).astype(a.dtype)


def _whole(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(a: Any, b: Any) -> Any:
        return None if a.dtype.kind != "f" and np.any(b == 0) else function(a, b)

    return run


def _round(x: Any) -> Any:
    """Halves away from zero. In float64, so that adding a half is exact."""
    wide = x.astype(np.float64)
    return np.copysign(np.floor(np.abs(wide) + 0.5), wide)


def _cast(call: Any, operands: list[Value]) -> Value | None:
    (x,), dtype = operands, str(call.attrs.dtype)
    if dtype == "bool":
        return x != 0
    if dtype not in DTYPES:
        return None
    if x.dtype.kind == "f" and np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        whole = np.trunc(x.astype(np.float64))
        if not (np.isfinite(whole) & (limits.min <= whole) & (whole <= limits.max)).all():
            return None
    return x.astype(dtype)


def _transpose(call: Any, operands: list[Value]) -> Value:
    return np.transpose(operands[0], _ints(call.attrs.axes))


def _layout(call: Any, operands: list[Value]) -> Value | None:
    """Only an order of axes: a block of channels is a small letter."""
    source, target = str(call.attrs.src_layout), str(call.attrs.dst_layout)
    if sorted(source) != sorted(target) or not source.isupper() or len(set(source)) < len(source):
        return None
    return np.transpose(operands[0], [source.index(axis) for axis in target])


def _strided_slice(call: Any, operands: list[Value]) -> Value | None:
    attrs, x = call.attrs, operands[0]
    begin, end, strides = _ints(attrs.begin), _ints(attrs.end), _ints(attrs.strides)
    if begin is None or end is None or len(operands) > 1:
        return None
    axes = _ints(getattr(attrs, "axes", None)) or list(range(len(begin)))
    strides = strides or [1]
    strides = strides * len(begin) if len(strides) == 1 else strides
    window = [slice(None)] * x.ndim
    for axis, first, last, step in zip(axes, begin, end, strides):
        size = x.shape[axis]
        if str(attrs.slice_mode) == "size":
            last, step = (size if last < 0 else first + last), 1
        if step < 0:
            first = first + size if first < 0 else min(first, size - 1)
            last = last + size if last < 0 else last
            window[axis] = slice(first, last if last >= 0 else None, step)
        else:
            window[axis] = slice(first, last, step)
    return x[tuple(window)]


def _take(call: Any, operands: list[Value]) -> Value | None:
    (x, indices), attrs = operands, call.attrs
    if int(getattr(attrs, "batch_dims", 0)) != 0 or indices.dtype.kind not in "iu":
        return None
    axis = None if attrs.axis is None else int(attrs.axis)
    size = x.size if axis is None else x.shape[axis]
    mode = str(attrs.mode)
    if mode == "fast" and not ((indices >= 0) & (indices < size)).all():
        return None
    return np.take(x, indices, axis=axis, mode="wrap" if mode == "wrap" else "clip")


def _gather(call: Any, operands: list[Value]) -> Value | None:
    x, indices = operands
    return np.take_along_axis(x, indices.astype(np.int64), int(call.attrs.axis))


def _concatenate(call: Any, operands: list[Value]) -> Value:
    return np.concatenate(operands[0], int(call.attrs.axis))


def _stack(call: Any, operands: list[Value]) -> Value:
    return np.stack(operands[0], int(call.attrs.axis))


def _split(call: Any, operands: list[Value]) -> Value:
    parts, axis = call.attrs.indices_or_sections, int(call.attrs.axis)
    given: Any = _ints(parts) if hasattr(parts, "__len__") else int(parts)
    return list(np.split(operands[0], given, axis))


def _pad(call: Any, operands: list[Value]) -> Value | None:
    x, *fill = operands
    widths = [tuple(int(v) for v in pair) for pair in call.attrs.pad_width]
    mode = str(call.attrs.pad_mode)
    if any(width < 0 for pair in widths for width in pair):
        return None
    if mode == "constant":
        return np.pad(x, widths, constant_values=fill[0].astype(x.dtype).reshape(()) if fill else 0)
    if mode == "edge":
        return np.pad(x, widths, mode="edge")
    return np.pad(x, widths, mode="reflect") if mode == "reflect" else None


def _reduce(function: Callable[..., Any], kinds: str) -> Evaluate:
    def run(call: Any, operands: list[Value]) -> Value | None:
        (x,), attrs = operands, call.attrs
        if x.dtype.kind not in kinds or x.size == 0:
            return None
        axes = _ints(attrs.axis)
        axes = list(range(x.ndim)) if axes is None else [axis % x.ndim for axis in axes]
        if int(attrs.exclude):
            axes = [axis for axis in range(x.ndim) if axis not in axes]
        result = function(x, axis=tuple(axes), keepdims=bool(int(attrs.keepdims)))
        return np.asarray(result).astype(x.dtype, copy=False)

    return run


def _filled(call: Any, fill: Any) -> Value | None:
    """One element seen everywhere: no memory is filled."""
    shape, dtype = static_shape(call.checked_type), str(call.checked_type.dtype)
    if shape is None or dtype not in DTYPES:
        return None
    return np.broadcast_to(np.asarray(fill).astype(dtype).reshape(()), shape)


def _broadcast(call: Any, operands: list[Value]) -> Value | None:
    shape = static_shape(call.checked_type)
    return None if shape is None else np.broadcast_to(operands[0], shape)


def _tile(call: Any, operands: list[Value]) -> Value:
    return np.tile(operands[0], _ints(call.attrs.reps) or [])


def _repeat(call: Any, operands: list[Value]) -> Value:
    return np.repeat(operands[0], int(call.attrs.repeats), int(call.attrs.axis))


def _arange(call: Any, operands: list[Value]) -> Value | None:
    start, stop, step = (np.asarray(v).reshape(()) for v in operands)
    if step == 0 or not np.all(np.isfinite([start, stop, step])):
        return None
    count = max(int(np.ceil((float(stop) - float(start)) / float(step))), 0)
    return (start + np.arange(count).astype(start.dtype) * step).astype(str(call.attrs.dtype))


def _where(call: Any, operands: list[Value]) -> Value | None:
    condition, a, b = operands
    return np.where(condition != 0, a, b) if a.dtype == b.dtype else None


def _clip(call: Any, operands: list[Value]) -> Value | None:
    (x,), (low, high) = operands, (float(call.attrs.a_min), float(call.attrs.a_max))
    if x.dtype.kind not in "iuf" or np.isnan([low, high]).any():
        return None
    if x.dtype.kind != "f" and not np.iinfo(x.dtype).min <= low <= high <= np.iinfo(x.dtype).max:
        return None
    return np.clip(x, x.dtype.type(low), x.dtype.type(high))


def _reverse(call: Any, operands: list[Value]) -> Value:
    return np.flip(operands[0], int(call.attrs.axis))


def _same(call: Any, operands: list[Value]) -> Value:
    return operands[0]


OPERATORS: dict[str, Evaluate] = {
    "abs": _unary(np.abs, "if"),
    "add": _binary(np.add),
    "all": _reduce(np.all, "b"),
    "any": _reduce(np.any, "b"),
    "arange": _arange,
    "atan": _unary(np.arctan),
    "broadcast_to": _broadcast,
    "broadcast_to_like": _broadcast,
    "cast": _cast,
    "ceil": _unary(np.ceil),
    "clip": _clip,
    "concatenate": _concatenate,
    "copy": _same,
    "cos": _unary(np.cos),
    "divide": _binary(_divide),
    "equal": _binary(np.equal),
    "exp": _unary(np.exp),
    "floor": _unary(np.floor),
    "floor_divide": _binary(_whole(np.floor_divide)),
    "floor_mod": _binary(_whole(np.mod)),
    "full": lambda call, operands: _filled(call, operands[0]),
    "gather": _gather,
    "greater": _binary(np.greater),
    "greater_equal": _binary(np.greater_equal),
    "isfinite": _test(np.isfinite),
    "isinf": _test(np.isinf),
    "isnan": _test(np.isnan),
    "layout_transform": _layout,
    "less": _binary(np.less),
    "less_equal": _binary(np.less_equal),
    "log": _unary(np.log),
    "logical_and": _binary(np.logical_and, "b"),
    "logical_not": _unary(np.logical_not, "b"),
    "logical_or": _binary(np.logical_or, "b"),
    "logical_xor": _binary(np.logical_xor, "b"),
    "max": _reduce(np.max, "iuf"),
    "maximum": _binary(lambda a, b: np.where(a > b, a, b)),
    "mean": _reduce(np.mean, "f"),
    "min": _reduce(np.min, "iuf"),
    "minimum": _binary(lambda a, b: np.where(a < b, a, b)),
    "mod": _binary(_whole(np.fmod)),
    "multiply": _binary(np.multiply),
    "negative": _unary(np.negative, "if"),
    "nn.pad": _pad,
    "nn.relu": _unary(lambda x: np.where(x > 0, x, x.dtype.type(0)), "if"),
    "not_equal": _binary(np.not_equal),
    "ones": lambda call, operands: _filled(call, 1),
    "power": _binary(np.power, "f"),
    "prod": _reduce(np.prod, "iuf"),
    "repeat": _repeat,
    "reshape_like": _shaped,
    "reverse": _reverse,
    "round": _unary(_round),
    "rsqrt": _unary(lambda x: 1 / np.sqrt(x)),
    "sigmoid": _unary(lambda x: 1 / (1 + np.exp(-x))),
    "sign": _unary(np.sign, "if"),
    "sin": _unary(np.sin),
    "split": _split,
    "sqrt": _unary(np.sqrt),
    "stack": _stack,
    "strided_slice": _strided_slice,
    "subtract": _binary(np.subtract),
    "sum": _reduce(np.sum, "iuf"),
    "take": _take,
    "tanh": _unary(np.tanh),
    "tile": _tile,
    "transpose": _transpose,
    "trunc": _unary(np.trunc),
    "where": _where,
    "zeros": lambda call, operands: _filled(call, 0),
    **dict.fromkeys(["expand_dims", "nn.batch_flatten", "reshape", "squeeze"], _shaped),
}
