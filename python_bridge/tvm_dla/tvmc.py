"""tvmc with the target ``dla``: the command ``tvmc-dla``, and the entry in tvmc's registry."""

from __future__ import annotations

import re
import sys
from typing import Any

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
    """tvmc's command `compile`; models for the target `dla` are read in less time."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __call__(self, args: Any) -> Any:
        if not re.search(rf"(^|[,\s]){TARGET}\b", str(args.target)):
            return self.original(args)
        with quick_frontends():
            return self.original(args)


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
