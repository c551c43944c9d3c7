"""tvmc with the target ``dla``: the command ``tvmc-dla``, and the entry in tvmc's registry."""

from __future__ import annotations

import re
import sys
from typing import Any

import tvm

from .errors import TvmDlaError
from .importing import quick_frontends
from .options import CONFIG_KEY, canonical
from .partition import partition_for_dla
from .register import register
from .report import partition_report

TARGET = "dla"


def main() -> None:
    """TVM's own tvmc, all commands and options, with the target registered."""
    register()
    from tvm.driver.tvmc.main import main as tvmc_main

    tvmc_main()


def install() -> None:
    """Adds the target to tvmc's registry of composite targets."""
    from tvm.driver.tvmc import compiler, composite_target, target

    if TARGET in composite_target.REGISTERED_CODEGEN:
        return
    composite_target.REGISTERED_CODEGEN[TARGET] = {
        "config_key": CONFIG_KEY,
        "pass_default": False,
        "pass_pipeline": _pipeline,
    }
    target.validate_targets = _Validator(target.validate_targets)
    compiler.drive_compile = _Compile(compiler.drive_compile)


def _pipeline(mod: Any, params: Any, mod_name: str = "default", **options: Any) -> Any:
    try:
        mod = partition_for_dla(mod, params, mod_name=mod_name, **options)
    except TvmDlaError as error:
        raise _refusal(str(error)) from error
    for line in str(partition_report(mod)).splitlines():
        print(f"dla: {line}", file=sys.stderr)
    return mod


class _Compile:
    """tvmc's command `compile`: models for the target `dla` are read in less time, and what TVM
    cannot compile is said in words."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __call__(self, args: Any) -> Any:
        if not re.search(rf"(^|[,\s]){TARGET}\b", str(args.target)):
            return self.original(args)
        try:
            with quick_frontends():
                return self.original(args)
        except Exception as error:  # front ends raise whatever their models run into
            if args.verbose or isinstance(error, type(_refusal(""))):
                raise
            raise _refusal(_explained(error)) from error


def _explained(error: Exception) -> str:
    """TVM's error, often a trace of its own functions, as what it means for the model."""
    trace = str(error)
    symbolic = re.search(r"symbolic tensor shape (\[.*\])", trace)
    if symbolic:
        return (
            f"a tensor has the shape {symbolic[1]} only at run time, and TVM's graph executor "
            "needs every size before\n"
            "help: operators such as NonMaxSuppression and NonZero give as many rows as they find: "
            "end the model before them, and leave them to the program that uses its outputs"
        )
    if re.search(r"got relay\.(Let|If|Function)|[Cc]ontrol flow|IfNode|LetNode", trace):
        return (
            "the model has a loop or a branch, which TVM's graph executor does not run\n"
            "help: unroll it in the program that exports the model"
        )
    if "String2DLDataType" in trace:
        return "the model has a tensor of an element type that TVM does not have, such as texts"
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    last = lines[-1].replace("TVMError: ", "") if lines else "no reason is given"
    kind = "" if isinstance(error, tvm.TVMError) else f"{type(error).__name__}: "
    return f"TVM cannot compile this model: {kind}{last}\nhelp: -v shows the whole trace"


class _Validator:
    """tvmc's check of a target string, and ours of the target `dla` in it.

    Here and not in the pipeline: tvmc first puts the options into a PassContext, and a name it
    does not know ends there in a traceback.
    """

    def __init__(self, original: Any) -> None:
        self.original = original

    def __call__(
        self, targets: Any, additional_target_options: dict[str, Any] | None = None
    ) -> None:
        ours = [t for t in targets if t["name"] == TARGET]
        if len(ours) > 1:
            raise _refusal(
                "the target `dla` is given twice\n"
                'help: both cores are one target: --target "dla -cores=0,1, llvm"'
            )
        if ours and targets[-1] is ours[0]:
            raise _refusal(
                "the target `dla` needs a TVM target after it, for what stays with TVM\n"
                'help: --target "dla, llvm"'
            )
        self.original(targets, additional_target_options)
        for entry in ours:
            flags = (additional_target_options or {}).get(TARGET, {})
            self._check_options({**entry["opts"], **flags})

    def _check_options(self, options: dict[str, Any]) -> None:
        try:
            canonical(options)
        except TvmDlaError as error:
            raise _refusal(str(error)) from error


def _refusal(text: str) -> Exception:
    """An exception tvmc reports as one clean `Error:` (exit code 4)."""
    from tvm.driver.tvmc import TVMCException

    refusal: Exception = TVMCException(text)
    return refusal
