"""What went to the plugin, what stays with TVM, and why."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from tvm import relay

from .annotate import reason
from .region import attribute, calls_of

ATTRIBUTE = "dla_report"


@dataclass(frozen=True)
class Region:
    """One external function: how many of its calls are on each side of the cut."""

    name: str
    prefix: int
    suffix: int


@dataclass(frozen=True)
class Kept:
    """`count` calls of one operator that stay with TVM for the same reason."""

    op: str
    count: int
    reason: str


@dataclass(frozen=True)
class Report:
    """The outcome of one partitioning."""

    regions: list[Region] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{r.name}: {r.prefix} in the prefix (GPU and DLA), {r.suffix} in the suffix (GPU)"
            for r in self.regions
        ]
        lines += [f"stays with TVM: {k.op} ({k.count}x): {k.reason}" for k in self.kept]
        return "\n".join(lines)


def build_report(mod: Any, regions: list[Any], options: str) -> Report:
    """Counts each region's sides and asks the plugin about every call left in `main`."""
    return Report([_region(name, mod[name]) for name in regions], _kept(mod["main"], options))


def attach(mod: Any, report: Report) -> Any:
    """`mod` with the report as an attribute of `main`."""
    mod["main"] = mod["main"].with_attr(ATTRIBUTE, json.dumps(asdict(report)))
    return mod


def partition_report(mod: Any) -> Report:
    """The report of a module that `partition_for_dla` returned; ValueError for any other."""
    text = attribute(mod["main"], ATTRIBUTE)
    if text is None:
        raise ValueError("this module was not made by partition_for_dla")
    data = json.loads(text)
    return Report([Region(**r) for r in data["regions"]], [Kept(**k) for k in data["kept"]])


def _region(name: Any, func: Any) -> Region:
    counts: dict[str | None, int] = {"dla.prefix": 0, "dla.suffix": 0}

    def visit(expr: Any) -> None:
        composite = attribute(expr, "Composite") if isinstance(expr, relay.Function) else None
        if composite in counts:
            counts[composite] += len(calls_of(expr.body))

    relay.analysis.post_order_visit(func.body, visit)
    return Region(str(name.name_hint), counts["dla.prefix"], counts["dla.suffix"])


def _kept(main: Any, options: str) -> list[Kept]:
    why: Counter[tuple[str, str]] = Counter()
    for call in calls_of(main.body):
        text = reason(call, options) or "it only moves data outside the regions"
        why[str(call.op.name), text] += 1
    return [Kept(op, count, text) for (op, text), count in why.items()]
