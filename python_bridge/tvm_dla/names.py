"""What a model's file calls its outputs, from the front end that reads it to `partition_for_dla`.

Relay keeps the names of inputs alone. Those of outputs are an attribute of `main` until they are
options of a region.
"""

from __future__ import annotations

import functools
import json
from typing import Any, Callable

from tvm import relay

from . import misread

ATTRIBUTE = "dla_outputs"


def hook_frontends() -> None:
    """Lets the front ends of this process note the names, where their models have them.

    What they are known to read wrongly is named on the way.
    """
    for name, names in (("from_onnx", _of_onnx), ("from_tflite", _of_tflite)):
        original = getattr(relay.frontend, name)
        if not hasattr(original, "_tvm_dla"):
            setattr(relay.frontend, name, _noting(original, names))


def _noting(original: Callable[..., Any], names: Callable[[Any], list[str]]) -> Callable[..., Any]:
    @functools.wraps(original)
    def read(model: Any, *args: Any, **kwargs: Any) -> Any:
        mod, params = original(model, *args, **kwargs)
        mod["main"] = mod["main"].with_attr(ATTRIBUTE, json.dumps(names(model)))
        return mod, params

    read._tvm_dla = True  # type: ignore[attr-defined]
    return read


def told_apart(names: list[str], outputs: int) -> bool:
    """Whether the names are of `outputs` outputs, each another."""
    return len(set(names)) == len(names) == outputs and all(names)


def _of_onnx(model: Any) -> list[str]:
    misread.warn(model)
    return [str(output.name) for output in model.graph.output]


def _of_tflite(model: Any) -> list[str]:
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(graph.Outputs(at)) for at in range(graph.OutputsLength())]
    return [tensor.Name().decode() for tensor in tensors]
