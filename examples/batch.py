"""Runs a batch of any size from Python: `python examples/batch.py model.tar 8`."""

from __future__ import annotations

import sys

import numpy as np

import tvm_dla


def main(artifact: str, rows: int) -> None:
    session = tvm_dla.Session(artifact)  # plan="gpu=4x1,dla0=4x1" and the like are keywords
    described = session.describe()
    random = np.random.default_rng(0)
    inputs = {
        entry["name"]: random.random([rows, *entry["shape"][1:]], dtype="float32")
        for entry in described["inputs"]
    }
    outputs = session.run(inputs)
    for entry, output in zip(described["outputs"], outputs):
        print(entry["name"], output.shape, output.dtype)
    report = session.report()
    print(report["plan"], report["plan_from"])
    print(described["backend"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
