"""What went to the plugin, what stays with TVM, and why."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from tvm import relay

from .annotate import reason
from .library import function
from .region import attribute, calls_of
from .stage import leaves

ATTRIBUTE = "dla_report"
# Of one region: what stays with TVM, so that the compiled model can say it.
KEPT = "dla_kept"


@dataclass(frozen=True)
class Region:
    """One external function: how many of its calls are on each side of the cut.

    `casts` of them are between floating types and round nothing: engines compute what is around
    them in the precision of the plan.
    """

    name: str
    prefix: int
    suffix: int
    casts: int = 0

    def __str__(self) -> str:
        sides = (
            f"{self.prefix} of TVM's calls in the prefix (GPU and DLA), "
            f"{self.suffix} in the suffix (GPU)"
        )
        line = f"{self.name}: {sides}"
        if self.casts:
            line += (
                f"; {self.casts} casts between float32 and float16 round nothing: what is around "
                "them computes in the precision of the plan"
            )
        return line


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
    # Outputs of the model that are constants, by their number.
    constants: list[int] = field(default_factory=list)
    # Why no node is on a DLA; empty when one is.
    no_dla: str = ""

    def __str__(self) -> str:
        lines = [str(region) for region in self.regions]
        lines += [f"stays with TVM: {k.op} ({k.count}x): {k.reason}" for k in self.kept]
        lines += [f"output {index} is a constant: nothing computes it" for index in self.constants]
        if self.no_dla:
            lines.append(f"warning: no node is on a DLA: {self.no_dla}")
        if len(self.regions) > 1:
            lines.append(
                f"warning: {len(self.regions)} networks with parts of TVM between them: "
                "TVM drives this model, at the batch it is compiled for"
            )
        return "\n".join(lines)


def build_report(mod: Any, regions: list[Any], options: str) -> Report:
    """Counts each region's sides and asks the plugin about every call left in `main`."""
    parts = [_region(name, mod[name]) for name in regions]
    outputs = enumerate(leaves(mod["main"].body))
    constants = [index for index, output in outputs if isinstance(output, relay.Constant)]
    on_dla = any(part.prefix for part in parts)
    why = "" if on_dla or not regions else _first_reason(mod[regions[0]])
    return Report(parts, _kept(mod["main"], options), constants, why)


def _first_reason(func: Any) -> str:
    """The first node that a DLA does not run, or else why the cut left it nothing."""
    description = function("describe")(func, attribute(func, "dla_options"))
    nodes = json.loads(str(description))["nodes"]
    refused = [node for node in nodes if not node["may_run_on_dla"]]
    found = [f"`{node['name']}`: {node['reason']}" for node in refused or nodes]
    return found[0] if found else "it computes nothing"


def attach(mod: Any, report: Report, names: list[str]) -> Any:
    """`mod` with the report as an attribute of `main`; one region gets what is to be known of all.

    That is what TVM keeps, and the names of the model's outputs.
    """
    mod["main"] = mod["main"].with_attr(ATTRIBUTE, json.dumps(asdict(report)))
    region = next(n for n in mod.functions if str(n.name_hint) == report.regions[0].name)
    if report.kept:
        kept = json.dumps([asdict(entry) for entry in report.kept])
        mod[region] = mod[region].with_attr(KEPT, kept)
    if names:
        options = json.loads(str(attribute(mod[region], "dla_options")))
        text = json.dumps({**options, "outputs": names})
        mod[region] = mod[region].with_attr("dla_options", text)
    return mod


def partition_report(mod: Any) -> Report:
    """The report of a module that `partition_for_dla` returned; ValueError for any other."""
    text = attribute(mod["main"], ATTRIBUTE)
    if text is None:
        raise ValueError("this module was not made by partition_for_dla")
    data = json.loads(text)
    regions = [Region(**region) for region in data["regions"]]
    kept = [Kept(**entry) for entry in data["kept"]]
    return Report(regions, kept, data["constants"], data["no_dla"])


def _region(name: Any, func: Any) -> Region:
    counts: dict[str | None, int] = {"dla.prefix": 0, "dla.suffix": 0}

    def visit(expr: Any) -> None:
        composite = attribute(expr, "Composite") if isinstance(expr, relay.Function) else None
        if composite in counts:
            counts[composite] += len(calls_of(expr.body))

    relay.analysis.post_order_visit(func.body, visit)
    casts = sum(_is_cast(call) for call in calls_of(func.body))
    return Region(str(name.name_hint), counts["dla.prefix"], counts["dla.suffix"], casts)


def _is_cast(call: Any) -> bool:
    """Whether a call changes the floating type of its operand."""
    if call.op.name not in ("cast", "cast_like"):
        return False
    return bool(call.args[0].checked_type.dtype != call.checked_type.dtype)


def _kept(main: Any, options: str) -> list[Kept]:
    why: Counter[tuple[str, str]] = Counter()
    for call in calls_of(main.body):
        text = reason(call, options) or "it only moves data outside the regions"
        why[str(call.op.name), text] += 1
    return [Kept(op, count, text) for (op, text), count in why.items()]
