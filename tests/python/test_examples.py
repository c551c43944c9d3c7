"""The examples for Python, as a user runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import LLVM, ROOT, command, tvmc_dla


@pytest.fixture(scope="module")
def artifact(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "small.tar"
    done = tvmc_dla("compile", model, "--target", f"dla, {LLVM}", "-o", path)
    assert done.returncode == 0, done.stderr
    return path


def test_a_batch_of_any_size_runs(artifact: Path) -> None:
    done = command(sys.executable, ROOT / "examples/batch.py", artifact, 5)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "y (5, 10) float32"
    assert lines[1].startswith("gpu=")


def test_a_stock_program_runs_the_artifact(artifact: Path) -> None:
    done = command(sys.executable, ROOT / "examples/stock_tvm.py", artifact)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(1, 10)\n"
