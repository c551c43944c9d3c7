"""``partition_for_dla``: from a Relay module to one whose regions are compiled for ``dla``."""

from __future__ import annotations

import json
from typing import Any, Sequence

import tvm
from tvm.relay.build_module import bind_params_by_name

from . import annotate, passes
from .errors import DynamicShape, NothingToOffload
from .gpu_only import options_per_region
from .inline import inline_data_movement
from .names import ATTRIBUTE as NAMES
from .names import told_apart
from .options import canonical
from .region import attribute, cut_region, is_region
from .register import register
from .report import attach, build_report
from .stage import leaves, spelled_out


def partition_for_dla(
    mod: Any,
    params: dict[str, Any] | None = None,
    *,
    mod_name: str = "default",
    output_names: Sequence[str] | None = None,
    **options: Any,
) -> Any:
    """Moves all that the plugin takes into external functions, each cut into prefix and suffix.

    `mod` is an IRModule whose `main` has static shapes; it is not changed. `params` are bound to
    it. Options are those of the target (`chip`, `tensorrt`, `precision`, `cores`, `gpu_only`,
    `preprocess`, `board`, `power`), as strings or lists. `output_names` are what the model calls
    its outputs; those of an ONNX or TFLite model that TVM read after `register` are known.

    Raises OptionError, DynamicShape, or NothingToOffload if no operator can be taken.
    """
    register()
    chosen = canonical(options)
    names = _names(mod, output_names)
    mod = _own_copy(mod, params)
    with passes.everything():
        mod = tvm.relay.transform.InferType()(mod)
        _refuse_dynamic_inputs(mod["main"])
        mod = passes.simplify(mod)
        with annotate.asking_with(chosen):
            mod = passes.split_off(mod, mod_name)
        mod = inline_data_movement(mod)
        regions = _regions(mod)
        for name, its in zip(regions, options_per_region([mod[n] for n in regions], chosen)):
            mod[name] = cut_region(mod[name], its)
        mod = tvm.relay.transform.InferType()(mod)
    report = build_report(mod, regions, chosen)
    if not regions:
        raise NothingToOffload(f"no operator of this model can be taken\n{report}")
    return attach(mod, report, names)


def _names(mod: Any, given: Sequence[str] | None) -> list[str]:
    """The names of the model's outputs, where they are known."""
    noted = attribute(mod["main"], NAMES)
    known = list(given) if given is not None else json.loads(noted or "[]")
    outputs = len(leaves(spelled_out(tvm.relay.transform.InferType()(mod)["main"].body)))
    usable = known if told_apart(known, outputs) else []
    if given is not None and not usable:
        raise ValueError(f"output_names must name each of {outputs} outputs differently: {known}")
    return usable


def _own_copy(mod: Any, params: dict[str, Any] | None) -> Any:
    own = tvm.IRModule(dict(mod.functions.items()), dict(mod.type_definitions.items()))
    if params:
        own["main"] = bind_params_by_name(own["main"], params)
    return own


def _regions(mod: Any) -> list[Any]:
    found = [name for name, function in mod.functions.items() if is_region(function)]
    return sorted(found, key=lambda name: str(name.name_hint))


def _refuse_dynamic_inputs(main: Any) -> None:
    for var in main.params:
        shape = [_side(side) for side in getattr(var.checked_type, "shape", ())]
        if "?" in shape:
            fixed = ", ".join("1" if side == "?" else side for side in shape)
            raise DynamicShape(
                f"input `{var.name_hint}` has the dynamic shape ({', '.join(shape)}), "
                "and engines are built for one shape\n"
                f'help: give it one, with tvmc `--input-shapes "{var.name_hint}:[{fixed}]"`'
            )


def _side(side: Any) -> str:
    return str(side) if isinstance(side, (int, tvm.tir.IntImm)) else "?"
