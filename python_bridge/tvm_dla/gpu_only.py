"""Gives each region only those names of the option `gpu_only` that are in it.

A region refuses a name it does not have, and a name usually is in one region out of several.
"""

from __future__ import annotations

import json
from typing import Any

from .library import function


def options_per_region(functions: list[Any], options: str) -> list[str]:
    """The canonical options for each region. A name no region has stays, to be refused."""
    parsed = json.loads(options)
    wanted = parsed["gpu_only"]
    if not wanted or len(functions) < 2:
        return [options] * len(functions)
    free = json.dumps({**parsed, "gpu_only": []})
    known = [_names(func, free) for func in functions]
    nowhere = [name for name in wanted if not any(name in names for names in known)]
    return [
        json.dumps({**parsed, "gpu_only": [n for n in wanted if n in names or n in nowhere]})
        for names in known
    ]


def _names(func: Any, options: str) -> set[str]:
    """The nodes and operators of a region."""
    nodes = json.loads(str(function("describe")(func, options)))["nodes"]
    return {node[key] for node in nodes for key in ("name", "op")}
