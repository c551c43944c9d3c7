"""What reaches a DLA of networks that other people published: a line each, and medians.

`main.py [--only NAME ...] [--target xavier|orin] [--no-numbers] [--json]`: results are kept under
build/real_networks, and only what a changed build could change is done again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from measure import TARGETS, TVM_DLA, as_json, measure
from packages import FOLDER, NETWORKS, ROOT, Network


def main() -> int:
    names = [network.name for network in NETWORKS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--target", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--no-numbers", action="store_true", help="no INT8 signal-to-noise")
    parser.add_argument("--json", action="store_true", help="one JSON array instead of the table")
    arguments = parser.parse_args()
    build = _build()
    results = []
    for network in NETWORKS:
        for chip in arguments.target:
            if network.name in arguments.only:
                print(f"{network.name} for {chip}", file=sys.stderr, flush=True)
                results.append(_known(network, chip, not arguments.no_numbers, build))
    print(json.dumps(results, indent=1) if arguments.json else table(results))
    return 0


def _known(network: Network, chip: str, numbers: bool, build: str) -> dict[str, Any]:
    """The result of an earlier run of the same build, or a new one."""
    kind = "" if numbers else ".plain"
    file = FOLDER / "results" / build / f"{network.name}.{chip}{kind}.json"
    if not file.exists():
        result = as_json(measure(network, chip, numbers))
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(result))
        part.rename(file)
    known: dict[str, Any] = json.loads(file.read_text())
    return known


def _build() -> str:
    """Of everything that decides a result: the command, the plugin, the bridge, these scripts."""
    digest = hashlib.sha256()
    sources = sorted((ROOT / "python_bridge/tvm_dla").glob("*.py"))
    for file in [TVM_DLA, ROOT / "target/release/libtvm_dla_relay.so", *sources]:
        digest.update(file.read_bytes())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def table(results: list[dict[str, Any]]) -> str:
    """One line per network and chip; the medians of each chip below."""
    head = ["network", "chip", "MACs", "prefix", "DLA-able", "regions", "kept", "INT8", "s", "what"]
    rows = [head] + [_row(result) for result in results]
    for chip in dict.fromkeys(result["chip"] for result in results):
        rows.append(_medians(chip, [r for r in results if r["chip"] == chip]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _row(result: dict[str, Any]) -> list[str]:
    kept = sum(entry["count"] for entry in result["kept"])
    noise = result["decibels"]
    what = result["error"] and f"failed: {result['error']}"
    refused = result["refused"].rsplit(".tar: ", 1)[-1]
    refused = refused and f"; no INT8: {refused}"
    return [
        result["network"],
        result["chip"],
        f"{result['macs'] / 1e6:.1f} M",
        _percent(result["prefix"]),
        _percent(result["able"]),
        str(result["regions"]),
        str(kept),
        "-" if noise is None else f"{noise:.1f} dB",
        f"{result['seconds']:.0f}",
        what or result["blocker"] + refused,
    ]


def _medians(chip: str, results: list[dict[str, Any]]) -> list[str]:
    noises = [r["decibels"] for r in results if r["decibels"] is not None]
    middle = [statistics.median(r[key] for r in results) for key in ("prefix", "able")]
    reached = [r["prefix"] / r["able"] for r in results if r["able"]]
    noise = f"{statistics.median(noises):.1f} dB" if noises else "-"
    what = f"of the DLA-able: {_percent(statistics.median(reached))}" if reached else ""
    return ["median", chip, "", *map(_percent, middle), "", "", noise, "", what]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    sys.exit(main())
