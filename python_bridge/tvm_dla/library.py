"""Loads the plugin's two libraries into the TVM of this process."""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any, Callable

import tvm

DIRECTORY = Path(__file__).resolve().parent
RUNTIME = "libtvm_dla.so"
COMPILE = "libtvm_dla_compile.so"
BUILT_FOR = "built_for.json"

_handles: list[ctypes.CDLL] = []


def load(directory: Path = DIRECTORY) -> None:
    """Loads the plugin once; what it registers is then visible to this process's TVM.

    Raises ImportError if a library is missing, or was built for another TVM.
    """
    if _handles:
        return
    _check_version(directory)
    names = [RUNTIME] if tvm._ffi.base._RUNTIME_ONLY else [RUNTIME, COMPILE]
    _handles.extend([_open(directory / name) for name in names])


def function(name: str) -> Callable[..., Any]:
    """The plugin's function `tvm_dla.<name>`."""
    load()
    found: Callable[..., Any] = tvm.get_global_func(f"tvm_dla.{name}")
    return found


def _check_version(directory: Path) -> None:
    note = directory / BUILT_FOR
    if not note.is_file():
        raise ImportError(
            f"the plugin of tvm_dla is not built: {directory} has no {BUILT_FOR} "
            f"(this is TVM {tvm.__version__})\n{_fix()}"
        )
    built_for = json.loads(note.read_text())["tvm"]
    if built_for != tvm.__version__:
        raise ImportError(
            f"the plugin in {directory} was built for TVM {built_for}, "
            f"and this is TVM {tvm.__version__}\n{_fix()}"
        )


def _open(path: Path) -> ctypes.CDLL:
    if not path.is_file():
        raise ImportError(f"{path} is missing (this is TVM {tvm.__version__})\n{_fix()}")
    try:
        return ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise ImportError(f"TVM {tvm.__version__} cannot load {path}: {error}\n{_fix()}") from error


def _fix() -> str:
    return f"help: in the tvm-dla checkout, run `scripts/build_plugin {sys.executable}`"
