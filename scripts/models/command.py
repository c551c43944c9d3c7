"""The command line that every model writer shares."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Callable

from onnx_net import save


def run(description: str | None, build: Callable[[int], Any]) -> None:
    """`WRITER.py OUT.onnx [--batch N]`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", type=Path, help="ONNX file to write")
    parser.add_argument("--batch", type=positive, default=1, help="rows of the input (default 1)")
    arguments = parser.parse_args()
    save(build(arguments.batch), arguments.out)
    print(f"wrote {arguments.out}", file=sys.stderr)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a batch: give 1 or more")
    return number
