"""Each quantised or integer operator in float32."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from tvm import relay

from .real import LIMITS, Real, Scale, quantised

if TYPE_CHECKING:
    from .quantised import Spelling

Spell = Callable[["Spelling", Any], Any]


def _quantize(spelling: Spelling, call: Any) -> Real:
    scale = Scale.of(call.args[1], call.args[2])
    return quantised(spelling.plain[call.args[0]], scale, str(call.attrs.out_dtype))


def _dequantize(spelling: Spelling, call: Any) -> Any:
    rank = len(call.args[0].checked_type.shape)
    axis = int(call.attrs.axis) % max(rank, 1)
    return spelling.real(call.args[0], Scale.of(call.args[1], call.args[2], axis))


def _requantize(spelling: Spelling, call: Any) -> Real:
    rank = len(call.args[0].checked_type.shape)
    axis = int(call.attrs.axis) % max(rank, 1)
    value = spelling.real(call.args[0], Scale.of(call.args[1], call.args[2], axis))
    result, dtype = Scale.of(call.args[3], call.args[4], axis), str(call.attrs.out_dtype)
    if dtype in LIMITS:
        return quantised(value, result, dtype)
    return Real(value, result, dtype)


def _product(weight_axis: Callable[[Any], int], channel_axis: Callable[[Any], int]) -> Any:
    """Operators of an activation and constant weights: integers times integers are accumulated."""

    def spell(spelling: Spelling, call: Any) -> Real:
        data, weight, zero, weight_zero, scale, weight_scale = call.args
        x = spelling.real(data, Scale.of(scale, zero))
        w = spelling.real(weight, Scale.of(weight_scale, weight_zero, weight_axis(call.attrs)))
        attrs = {str(name): call.attrs[name] for name in call.attrs.keys()}
        attrs["out_dtype"] = "float32"
        attrs.pop("auto_scheduler_rewritten_layout", None)
        attrs.pop("meta_schedule_original_shape", None)
        operator = getattr(relay.nn, str(call.op.name).split(".")[1])
        steps = Scale.of(scale, zero).scale * Scale.of(weight_scale, weight_zero).scale
        result = Scale(steps, np.zeros(1), channel_axis(call.attrs))
        return Real(operator(x, w, **_accepted(operator, attrs)), result, "int32")

    return spell


def _accepted(operator: Any, attrs: dict[str, Any]) -> dict[str, Any]:
    """Those of `attrs` that Relay's function for the operator takes: vendors add their own."""
    names = operator.__code__.co_varnames[: operator.__code__.co_argcount]
    return {name: value for name, value in attrs.items() if name in names}


def _bias(spelling: Spelling, call: Any) -> Real | None:
    """A constant per channel in the accumulator's own steps."""
    accumulator, bias = call.args
    real, shape = spelling.reals[accumulator], call.checked_type.shape
    if not isinstance(bias, relay.Constant) or np.any(real.scale.zero_point):
        return None
    axis = _channels(call, real.scale.axis % len(shape))
    integers = bias.data.numpy()
    if axis is None or integers.size != int(shape[axis]):
        return None
    steps = Scale(real.scale.scale, real.scale.zero_point, 0)
    reals = relay.const(steps.reals(integers.reshape(-1)))
    return real.moved(relay.nn.bias_add(real.value, reals, axis))


def _channels(call: Any, axis: int) -> int | None:
    """The axis along which a bias is added; an `add` broadcasts."""
    if str(call.op.name) == "nn.bias_add":
        return int(call.attrs.axis) % len(call.checked_type.shape)
    dims = list(call.args[1].checked_type.shape)
    aligned = axis - len(call.checked_type.shape) + len(dims)
    others = [int(d) for i, d in enumerate(dims) if i != aligned]
    return axis if aligned >= 0 and all(d == 1 for d in others) else None


def _binary(operator: Callable[[Any, Any], Any]) -> Spell:
    def spell(spelling: Spelling, call: Any) -> Real:
        a, b, *scales = call.args
        a = spelling.real(a, Scale.of(scales[0], scales[1]))
        b = spelling.real(b, Scale.of(scales[2], scales[3]))
        return quantised(operator(a, b), Scale.of(scales[4], scales[5]), _dtype(call))

    return spell


def _unary(operator: Callable[[Any], Any]) -> Spell:
    def spell(spelling: Spelling, call: Any) -> Real:
        x, *scales = call.args
        x = spelling.real(x, Scale.of(scales[0], scales[1]))
        return quantised(operator(x), Scale.of(scales[2], scales[3]), _dtype(call))

    return spell


def _qnn_concatenate(spelling: Spelling, call: Any) -> Real:
    parts, scales, zeros, scale, zero = call.args
    fields = zip(parts.fields, scales.fields, zeros.fields)
    reals = [spelling.real(part, Scale.of(s, z)) for part, s, z in fields]
    joined = relay.concatenate(reals, int(call.attrs.axis))
    return quantised(joined, Scale.of(scale, zero), _dtype(call))


def _concatenate(spelling: Spelling, call: Any) -> Real | None:
    if not isinstance(call.args[0], relay.Tuple):
        return None
    reals = [spelling.known(part) for part in call.args[0].fields]
    first = reals[0]
    if first is None or any(r is None or not r.scale.equals(first.scale) for r in reals):
        return None
    values = [real.value for real in reals if real is not None]
    return first.moved(relay.concatenate(values, int(call.attrs.axis)))


def _move(spelling: Spelling, call: Any) -> Real | None:
    """Choosing, moving and averaging elements mean the same on what the integers stand for."""
    real = spelling.known(call.args[0])
    if real is None:
        return None
    return real.moved(relay.Call(call.op, [real.value], call.attrs, [], call.span))


def _average(spelling: Spelling, call: Any) -> Real | None:
    """Padding that counts is the integer zero, which need not stand for zero."""
    real = spelling.known(call.args[0])
    counted = getattr(call.attrs, "count_include_pad", False) and any(map(int, call.attrs.padding))
    if real is None or (counted and real.scale.zero_point[0] != 0):
        return None
    return _move(spelling, call)


def _resize(spelling: Spelling, call: Any) -> Real | None:
    """Only where every result is an element: an integer interpolation rounds."""
    method = str(getattr(call.attrs, "method", ""))
    return _move(spelling, call) if method.startswith("nearest") else None


def _pad(spelling: Spelling, call: Any) -> Real | None:
    real = spelling.known(call.args[0])
    fill = call.args[1]
    if real is None or not isinstance(fill, relay.Constant):
        return None
    value = relay.const(np.float32(real.scale.at(float(fill.data.numpy()))))
    return real.moved(relay.Call(call.op, [real.value, value], call.attrs, [], call.span))


def _clip(spelling: Spelling, call: Any) -> Real | None:
    """A clip to all integers of the type is none, if quantising has cut the negatives off."""
    real = spelling.known(call.args[0])
    if real is None:
        return None
    low, high = float(call.attrs.a_min), float(call.attrs.a_max)
    fits = [t for t, (least, most) in LIMITS.items() if least <= low and high <= most]
    narrow = real.narrow or (fits[0] if len(fits) == 1 else None)
    least, most = LIMITS.get(real.dtype, (-np.inf, np.inf))
    if low <= least and most <= high and real.scale.zero_point[0] == least:
        return real
    value = relay.clip(real.value, real.scale.at(low), real.scale.at(high))
    return replace(real.moved(value), narrow=narrow)


def _relu(spelling: Spelling, call: Any) -> Real | None:
    real = spelling.known(call.args[0])
    if real is None or real.scale.zero_point[0] != 0:
        return None
    return real.moved(relay.nn.relu(real.value))


def _cast(spelling: Spelling, call: Any) -> Real | None:
    """To a wider type nothing changes; back, the integers must be known to fit."""
    real = spelling.known(call.args[0])
    dtype = str(call.attrs.dtype)
    if real is None:
        return None
    if dtype == "int32":
        return replace(real, dtype=dtype, made=None)
    if dtype in LIMITS and dtype == real.narrow:
        return quantised(real.value, real.scale, dtype)
    return None


def _dtype(call: Any) -> str:
    return str(call.checked_type.dtype)


def _o(attrs: Any) -> int:
    return str(attrs.kernel_layout).index("O")


def _c(attrs: Any) -> int:
    return str(attrs.data_layout).index("C")


QNN_OPS: dict[str, Spell] = {
    "qnn.quantize": _quantize,
    "qnn.dequantize": _dequantize,
    "qnn.requantize": _requantize,
    "qnn.conv2d": _product(_o, _c),
    "qnn.conv2d_transpose": _product(_o, _c),
    "qnn.dense": _product(lambda attrs: 0, lambda attrs: 1),
    "qnn.add": _binary(relay.add),
    "qnn.subtract": _binary(relay.subtract),
    "qnn.mul": _binary(relay.multiply),
    "qnn.concatenate": _qnn_concatenate,
    "qnn.sigmoid": _unary(relay.sigmoid),
    "qnn.tanh": _unary(relay.tanh),
}

# Operator -> operand -> where its scale and its zero point are.
INPUT_SCALES = {
    "qnn.conv2d": {0: (4, 2)},
    "qnn.conv2d_transpose": {0: (4, 2)},
    "qnn.dense": {0: (4, 2)},
    "qnn.requantize": {0: (1, 2)},
    "qnn.dequantize": {0: (1, 2)},
    "qnn.add": {0: (2, 3), 1: (4, 5)},
    "qnn.subtract": {0: (2, 3), 1: (4, 5)},
    "qnn.mul": {0: (2, 3), 1: (4, 5)},
}

# Integers stay the same integers in these.
MOVES = frozenset(
    [
        "expand_dims",
        "layout_transform",
        "nn.max_pool2d",
        "nn.pad",
        "reshape",
        "squeeze",
        "strided_slice",
        "transpose",
    ]
)

INTEGER_OPS: dict[str, Spell] = {
    "add": _bias,
    "nn.bias_add": _bias,
    "clip": _clip,
    "nn.relu": _relu,
    "cast": _cast,
    "nn.pad": _pad,
    "concatenate": _concatenate,
    "image.resize2d": _resize,
    "nn.avg_pool2d": _average,
    **dict.fromkeys(
        [
            "expand_dims",
            "layout_transform",
            "mean",
            "nn.adaptive_avg_pool2d",
            "nn.adaptive_max_pool2d",
            "nn.batch_flatten",
            "nn.global_avg_pool2d",
            "nn.global_max_pool2d",
            "nn.max_pool2d",
            "reshape",
            "squeeze",
            "strided_slice",
            "transpose",
        ],
        _move,
    ),
}
