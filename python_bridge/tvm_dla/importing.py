"""How TVM's front ends read a model while the target is ``dla``: the same result, sooner.

After every operator a front end folds the whole network so far, and infers its types again. Here
what was folded and typed before stays so, and constants are folded by numpy (`fold`).
"""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from typing import Any, Callable, Iterator

import tvm
from tvm import relay

from .fold import Folder, operands_of, type_of

FRONTENDS = "tvm.relay.frontend"


@contextmanager
def quick_frontends() -> Iterator[None]:
    """Inside the block, front ends fold constants and infer types part by part."""
    from tvm.relay.frontend import common, onnx

    reading = _Reading(common.fold_constant, common.infer_value, common.infer_type)
    quick = {
        common.fold_constant: reading.fold_constant,
        common.infer_value: reading.infer_value,
        common.infer_type: reading.infer_type,
        # A new table of all operators for every operator of the model.
        onnx._get_convert_map: functools.lru_cache(maxsize=None)(onnx._get_convert_map),
    }
    replaced = [
        (module, name, function)
        for module in _frontends()
        for name, function in vars(module).items()
        if callable(function) and _is_key(function, quick)
    ]
    for module, name, function in replaced:
        setattr(module, name, quick[function])
    try:
        yield
    finally:
        for module, name, function in replaced:
            setattr(module, name, function)


def _frontends() -> list[Any]:
    """TVM loads them all together."""
    return [m for name, m in list(sys.modules.items()) if name.startswith(FRONTENDS) and m]


def _is_key(function: Any, quick: dict[Any, Any]) -> bool:
    return any(function is key for key in quick)


class _Reading:
    """One model while it is read. Everything falls back to TVM's own function."""

    def __init__(self, fold: Callable[..., Any], value: Callable[..., Any], types: Any) -> None:
        self._fold, self._value, self._types = fold, value, types
        self._folder = Folder()

    def fold_constant(self, node: Any, mod: Any = None) -> Any:
        """As `common.fold_constant`, with the result typed where it can be."""
        if not _is_empty(mod):
            return self._fold(node, mod)
        folded = self._folder.fold(node)
        if folded is None:
            return self._fold(node) if mod is None else self._fold(node, mod)
        _infer(folded)
        return folded

    def infer_value(self, input_val: Any, params: Any, mod: Any = None) -> Any:
        """As `common.infer_value`, without a program where numpy knows the value."""
        names = {var.name_hint for var in relay.analysis.free_vars(input_val)}
        folder = Folder(given=dict(params)) if names else self._folder
        value = folder.value(input_val) if _is_empty(mod) else None
        if value is None or isinstance(value, list):
            return self._value(input_val, params, mod)
        return tvm.nd.array(value)

    def infer_type(self, node: Any, mod: Any = None) -> Any:
        """As `common.infer_type`, in place."""
        if _is_empty(mod) and _infer(node):
            return node
        return self._types(node, mod)


def _is_empty(mod: Any) -> bool:
    return mod is None or (isinstance(mod, tvm.IRModule) and not len(mod.functions))


def _infer(expr: Any) -> bool:
    """Types `expr` and what it reads, operands first; False where a type is not to be had so."""
    stack = [expr]
    while stack:
        top = stack[-1]
        if type_of(top) is not None:
            stack.pop()
            continue
        operands = operands_of(top)
        if operands is None:
            return False
        waiting = [operand for operand in operands if type_of(operand) is None]
        if waiting:
            stack.extend(waiting)
            continue
        try:
            relay.transform.InferTypeLocal(stack.pop())
        except tvm.TVMError:
            return False
        if type_of(top) is None:
            return False
    return True
