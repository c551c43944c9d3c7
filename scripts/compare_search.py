"""The search of `tvm-dla tune` beside trying everything, for every model of the zoo on every board.

    .venv/0.9/bin/python scripts/compare_search.py [--board NAME...] [--model NAME...] [--batch N,N]

Compiles the models first (`scripts/compile_zoo`), which takes minutes and 2 GB of disk. Times are
of one core. Status 1 says that a search was more than 1 % from the optimum or took 2 s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts/models"))

import zoo  # noqa: E402

MODELS = (*zoo.NAMES, *zoo.ALSO)
BOARDS = ("xavier-nx", "agx-xavier", "orin-nx", "agx-orin")
# A prime and an odd number, which leave the search few equal rounds, among the usual ones.
BATCHES = "10,13,16,21,24,32"
WITHIN, SECONDS = 0.99, 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--board", nargs="+", default=BOARDS)
    parser.add_argument("--batch", default=BATCHES)
    options = parser.parse_args()
    subprocess.run([ROOT / "scripts/compile_zoo", *options.model], check=True)
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
    good = True
    print("model          board        rows   share   search s   all s   plans simulated")
    for model in options.model:
        for board in options.board:
            good &= compare(model, board, options.batch)
    return 0 if good else 1


def compare(model: str, board: str, batches: str) -> bool:
    """Prints the batch at which the search is furthest from the optimum, with the longest times."""
    points = tuned(model, board, batches)
    search = {p["batch"]: p for p in points if p["strategy"] == "search"}
    best = {p["batch"]: p for p in points if p["strategy"] == "exhaustive"}
    assert all(point["exhaustive"] for point in best.values())
    rate = "rows_per_second"
    share, worst = min((search[n][rate] / best[n][rate], n) for n in search)
    took = max(point["seconds"] for point in search.values())
    everything = max(point["seconds"] for point in best.values())
    count = max(point["simulated"] for point in best.values())
    print(
        f"{model:14} {board:12} {worst:4} {share:7.4f} {took:10.2f} {everything:7.1f} {count:10}",
        flush=True,
    )
    if share < WITHIN:
        print(f"  search      {search[worst]['text']}\n  exhaustive  {best[worst]['text']}")
    return bool(share >= WITHIN and took < SECONDS)


def tuned(model: str, board: str, batches: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        words = ["tune", f"build/zoo/{model}.tar", "--board", board, "--batch", batches]
        words += ["--strategy", "search,exhaustive", "--output", f"{folder}/plan.json"]
        program = ["target/release/tvm-dla", "--json", "--quiet"]
        done = subprocess.run(
            program + words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        )
    points: list[dict[str, Any]] = json.loads(done.stdout)["points"]
    return points


if __name__ == "__main__":
    sys.exit(main())
