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
        if _needs_plugin(self) and not str(file_name).endswith(".tar"):
            return _export_linked(original, self, file_name, args, kwargs)
        return original(self, file_name, *args, **kwargs)

    export._tvm_dla = True  # type: ignore[attr-defined]
    tvm.runtime.Module.export_library = export


def _export_linked(original: Any, module: Any, file_name: Any, args: Any, kwargs: Any) -> Any:
    compiler = args[0] if args else kwargs.get("fcompile")
    with tempfile.TemporaryDirectory() as scratch:
        directory = DIRECTORY if compiler is None else _stand_in(compiler, Path(scratch))
        given = kwargs.pop("options", None)
        options = _as_list(given) + link_options(directory)
        return original(module, file_name, *args, options=options, **kwargs)


def link_options(directory: Path) -> list[str]:
    """What the compiler driver must be told. At run time the plugin is looked for beside the
    artifact and where it is installed here."""
    return [
        "-Wl,--no-as-needed",
        f"-L{directory}",
        f"-l:{RUNTIME}",
        "-Wl,-rpath,$ORIGIN",
        f"-Wl,-rpath,{DIRECTORY}",
    ]


def _stand_in(compiler: Callable[..., Any], directory: Path) -> Path:
    """An empty library of the plugin's name, for a compiler whose target may be another machine:
    the linker only takes the name from it."""
    source = directory / "empty.c"
    source.write_text("")
    compiler(str(directory / RUNTIME), [str(source)])
    return directory


def _as_list(options: Any | None) -> list[str]:
    if options is None:
        return []
    return list(options) if isinstance(options, (list, tuple)) else [options]


def _needs_plugin(module: Any) -> bool:
    return module.type_key in ("dla", "tensorrt") or any(
        _needs_plugin(m) for m in module.imported_modules
    )
