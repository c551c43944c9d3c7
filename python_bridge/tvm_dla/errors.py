"""What can go wrong here, as exceptions whose text says where, what, and what to do."""

from __future__ import annotations


class TvmDlaError(Exception):
    """Any refusal by this package."""


class OptionError(TvmDlaError, ValueError):
    """An option of the target ``dla`` that does not exist or cannot have this value."""


class DynamicShape(TvmDlaError, ValueError):
    """An input without a fixed shape: engines are built for one shape."""


class NothingToOffload(TvmDlaError):
    """Every operator of the model stays with TVM. The text lists why."""


def message(error: BaseException) -> str:
    """The text a plugin function failed with, without the C++ frames TVM puts around it."""
    text = str(error).split("Stack trace:")[0].strip()
    if text.startswith("Traceback"):
        text = text.split("\n\n", 1)[-1].strip()
    for prefix in ("TVMError:", "ValueError:"):
        if text.startswith(prefix):
            text = text[len(prefix) :].strip()
    return text
