"""Integers of a quantised model as the real numbers they stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tvm import relay

LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}
# Frontends multiply scales in float32 or in float64.
SAME = 1e-5


@dataclass(frozen=True)
class Scale:
    """`real = (integer - zero_point) * scale`; several scales and zero points lie along `axis`."""

    scale: Any
    zero_point: Any
    axis: int = -1

    @staticmethod
    def of(scale: Any, zero_point: Any, axis: int = -1) -> Scale:
        """From the constant operands of a call."""
        return Scale(_numbers(scale), _numbers(zero_point), axis)

    @property
    def size(self) -> int:
        """How many there are along the axis."""
        return int(max(self.scale.size, self.zero_point.size))

    def is_single(self) -> bool:
        """Whether it is the same for all elements."""
        return self.size == 1

    def equals(self, other: Scale) -> bool:
        """Whether the integers stand for the same numbers, within the frontends' rounding."""
        single = self.is_single() and other.is_single()
        if not single and (self.axis != other.axis or len({1, self.size, other.size}) > 2):
            return False
        return bool(
            np.allclose(self.scale, other.scale, rtol=SAME, atol=0)
            and np.all(self.zero_point == other.zero_point)
        )

    def reals(self, integers: Any) -> Any:
        """Constant integers as float32."""
        shape = [1] * integers.ndim
        if not self.is_single():
            shape[self.axis] = -1
        scale, zero_point = self.scale.reshape(shape), self.zero_point.reshape(shape)
        return ((integers.astype(np.float64) - zero_point) * scale).astype(np.float32)

    def at(self, integer: float) -> float:
        """One number, of a single scale."""
        return float((integer - self.zero_point[0]) * self.scale[0])

    def operands(self) -> list[Any]:
        """As Relay's operators take it."""
        if self.is_single():
            scale, zero_point = self.scale[0], self.zero_point[0]
        else:
            shape = np.broadcast_shapes(self.scale.shape, self.zero_point.shape)
            scale = np.broadcast_to(self.scale, shape)
            zero_point = np.broadcast_to(self.zero_point, shape)
        return [
            relay.const(np.asarray(scale, np.float32)),
            relay.const(np.asarray(zero_point, np.int32)),
        ]


@dataclass(frozen=True)
class Real:
    """An integer tensor of type `dtype`: the expression of what it stands for, in float32.

    `narrow` is the 8-bit type its elements fit into, if they are known to; `made` the integers that
    `value` was read from.
    """

    value: Any
    scale: Scale
    dtype: str
    narrow: str | None = None
    made: Any = None

    def moved(self, value: Any) -> Real:
        """The same integers, in other places or fewer."""
        return replace(self, value=value, made=None)

    def integers(self) -> Any:
        """The expression of the integers; of a single scale and 8 bits."""
        if self.made is not None:
            return self.made
        return relay.qnn.op.quantize(self.value, *self.scale.operands(), out_dtype=self.dtype)


def quantised(value: Any, scale: Scale, dtype: str) -> Real:
    """`value` as it comes back from integers of that type."""
    integers = relay.qnn.op.quantize(value, *scale.operands(), out_dtype=dtype)
    back = relay.qnn.op.dequantize(integers, *scale.operands())
    return Real(back, scale, dtype, dtype, integers)


def _numbers(constant: Any) -> Any:
    return constant.data.numpy().reshape(-1).astype(np.float64)
