"""Runs an artifact from Python: numpy in, numpy out, any batch size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Sequence, Union, cast

import numpy as np
import tvm

from .errors import TvmDlaError, message
from .library import function
from .register import register

Arrays = Union["np.ndarray[Any, Any]", Sequence["np.ndarray[Any, Any]"]]
Inputs = Union[Arrays, Mapping[str, "np.ndarray[Any, Any]"]]


class Session:
    """A loaded artifact (`.tar` of tvmc, or `.so`) with its engines.

    >>> Session("mobilenet.tar").run({"input": images})[0].shape
    (512, 1000)
    """

    def __init__(self, path: str | Path, **config: Any) -> None:
        register()
        self._module = _ask(function("session_create"), str(path), json.dumps(config))
        described = self.describe()
        self._inputs = [str(entry["name"]) for entry in described["inputs"]]
        self._outputs = [str(entry["dtype"]) for entry in described["outputs"]]

    def run(self, inputs: Inputs) -> list[np.ndarray[Any, Any]]:
        """The outputs for `inputs`, whose first dimension is the batch, of any size.

        Inputs go by name, or in the order of `describe()["inputs"]`, which says the model's own
        shapes. An array that fits them is in the model's order of axes; one that only fits the
        network, such as (N, C, H, W) for a model with channels last, is taken as that. Float32
        arrays are always taken, and so are those of the type that the model declares. Outputs have
        the model's order, and the type in `describe()["outputs"]`: a quantised model's are the real
        numbers that its integers stand for.

        Raises ValueError for a wrong number or name, TvmDlaError for a wrong shape or type.
        """
        for index, array in enumerate(self._ordered(inputs)):
            _ask(self._module["set_input"], index, tvm.nd.array(np.ascontiguousarray(array)))
        _ask(self._module["run"])
        return [
            self._module["output"](i).numpy().astype(dtype, copy=False)
            for i, dtype in enumerate(self._outputs)
        ]

    def describe(self) -> dict[str, Any]:
        """Names, shapes and types of inputs and outputs, devices, backend."""
        return cast(Dict[str, Any], json.loads(str(self._module["describe"]())))

    def report(self) -> dict[str, Any]:
        """What the last run did: plan, times per device, retries."""
        return cast(Dict[str, Any], json.loads(str(self._module["report"]())))

    def _ordered(self, inputs: Inputs) -> list[np.ndarray[Any, Any]]:
        if isinstance(inputs, Mapping):
            return self._by_name(inputs)
        arrays = [inputs] if isinstance(inputs, np.ndarray) else list(inputs)
        if len(arrays) != len(self._inputs):
            raise ValueError(
                f"{len(arrays)} arrays given, and the artifact has {len(self._inputs)} inputs: "
                f"{', '.join(self._inputs)}"
            )
        return arrays

    def _by_name(self, inputs: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
        wrong = sorted(set(inputs) ^ set(self._inputs))
        if wrong:
            kind = "is missing" if wrong[0] in self._inputs else "does not exist"
            raise ValueError(
                f"input `{wrong[0]}` {kind}: the artifact has {', '.join(self._inputs)}"
            )
        return [inputs[name] for name in self._inputs]


def _ask(call: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the plugin; its refusals become ours."""
    try:
        return call(*arguments)
    except tvm.TVMError as error:
        raise TvmDlaError(message(error)) from error
