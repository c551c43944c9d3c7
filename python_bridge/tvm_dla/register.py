"""Teaches this process's TVM the target ``dla``."""

from __future__ import annotations

from . import annotate, library, link, names

_registered = False


def register() -> None:
    """Loads the plugin and registers the target with Relay, ``export_library`` and tvmc.

    Calling it again does nothing. Raises ImportError if the plugin is missing or was built for
    another TVM.
    """
    global _registered
    if _registered:
        return
    library.load()
    annotate.register_operators()
    link.hook_export()
    names.hook_frontends()
    _registered = True
    _register_with_tvmc()


def _register_with_tvmc() -> None:
    try:
        import tvm.driver.tvmc  # noqa: F401
    except ImportError:
        return  # tvmc's own requirements are absent; Relay users do not need it
    from .tvmc import install

    install()
