"""Makes an exported artifact load the plugin by itself, in a TVM that knows nothing of it.

The shared library gets a DT_NEEDED entry for ``libtvm_dla.so`` and the place to find it, so the
dynamic loader brings the plugin in before TVM reads the artifact.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any, Callable

import tvm
from tvm.contrib import cc

from .library import DIRECTORY, RUNTIME


def export_library(lib: Any, path: str, **kwargs: Any) -> Any:
    """``lib.export_library(path, **kwargs)``, with the plugin linked in if `lib` needs it."""
    hook_export()
    return lib.export_library(str(path), **kwargs)


def hook_export() -> None:
    """Lets every ``export_library`` of this process link the plugin where it is needed."""
    original = tvm.runtime.Module.export_library
    if hasattr(original, "_tvm_dla"):
        return

    @functools.wraps(original)
    def export(self: Any, file_name: Any, *args: Any, **kwargs: Any) -> Any:
        compiler = args[0] if args else kwargs.pop("fcompile", None)
        if _needs_plugin(self) and not _packs(compiler, str(file_name)):
            compiler = _Linking(compiler or cc.create_shared)
        # tvmc of TVM 0.9 gives the compiler by position; TVM 0.16 takes it by name alone.
        if args:
            return original(self, file_name, compiler, *args[1:], **kwargs)
        return original(self, file_name, fcompile=compiler, **kwargs)

    export._tvm_dla = True  # type: ignore[attr-defined]
    tvm.runtime.Module.export_library = export


def _packs(compiler: Any, file_name: str) -> bool:
    """Whether objects are put together unlinked; who links them later names the plugin."""
    if compiler is None:
        return file_name.endswith((".tar", ".wasm"))
    return getattr(compiler, "output_format", None) == "tar"


class _Linking:
    """A compiler of ``export_library`` that links the plugin too, and is otherwise `compiler`.

    What it adds goes among the objects: a ``cc.cross_compiler`` keeps the options it is given for
    its next call.
    """

    def __init__(self, compiler: Callable[..., Any]) -> None:
        self._compiler = compiler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._compiler, name)

    def __call__(self, output: str, objects: Any, **kwargs: Any) -> Any:
        with tempfile.TemporaryDirectory() as scratch:
            directory = self._stand_in(Path(scratch), **kwargs)
            return self._compiler(output, [*objects, *link_options(directory)], **kwargs)

    def _stand_in(self, directory: Path, **kwargs: Any) -> Path:
        """An empty library of the plugin's name for the machine that is compiled for, which need
        not be this one: the linker only takes the name from it."""
        options = kwargs.pop("options", None) or []
        options = options if isinstance(options, (list, tuple)) else [options]
        source = directory / "empty.c"
        source.write_text("")
        self._compiler(str(directory / RUNTIME), [str(source), *options], **kwargs)
        return directory


def link_options(directory: Path) -> list[str]:
    """What the compiler driver must be told, with the plugin's name to be found in `directory`. At
    run time the plugin is looked for beside the artifact and where it is installed here."""
    return [
        "-Wl,--no-as-needed",
        f"-L{directory}",
        f"-l:{RUNTIME}",
        "-Wl,-rpath,$ORIGIN",
        f"-Wl,-rpath,{DIRECTORY}",
    ]


def _needs_plugin(module: Any) -> bool:
    return module.type_key in ("dla", "tensorrt") or any(
        _needs_plugin(m) for m in module.imported_modules
    )
