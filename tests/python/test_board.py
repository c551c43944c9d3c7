"""An artifact of tvmc on a board: TensorRT and CUDA are the double, the program is the real one."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tvm
from conftest import LLVM, ROOT, command, program, stock, tvmc_dla

sys.path.insert(0, str(ROOT / "scripts/models"))

import zoo

DOUBLE = ROOT / "target/debug/libnvinfer_double.so"
PLAN = "gpu=2x1,dla0=1x2,dla1=1x2,suffix=6"
# FP16 has 11 significant bits. The double rounds where engines meet and sums in float32.
LIMIT = 2.0**-10


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNet V1 for batches of six."""
    if not tvm.__version__.startswith("0.9"):
        pytest.skip("what TensorRT is given does not depend on which TVM it came through")
    if not DOUBLE.is_file():
        missing = f"{DOUBLE} is missing: cargo test --test double builds it"
        assert "REQUIRE_TENSORRT" not in os.environ, missing
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("board")
    onnx.save(zoo.build("mobilenet_v1", 6), str(folder / "net.onnx"))
    path = folder / "net.tar"
    done = tvmc_dla("compile", folder / "net.onnx", "--target", f"dla, {LLVM}", "--output", path)
    assert done.returncode == 0, done.stderr
    np.save(folder / "x.npy", images())
    words = ("run", path, "--input", folder / "x.npy", "--output", folder / "want.npy")
    done = command(program(), "--quiet", *words, "--backend", "cpu", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    return path


def images() -> np.ndarray:
    return np.random.default_rng(5).uniform(-1, 1, (6, 3, 224, 224)).astype(np.float32)


def board(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "TVM_DLA_ONNXRUNTIME": str(Path(onnxruntime.__file__).parent / "capi"),
        "TVM_DLA_BACKEND": "tensorrt",
        "TVM_DLA_TENSORRT": str(DOUBLE),
        "TVM_DLA_CUDART": str(DOUBLE),
        "TVM_DLA_CACHE": str(folder / "cache"),
        "TVM_DLA_PLAN": PLAN,
        "NVINFER_DOUBLE_JOURNAL": str(folder / "journal"),
    }


def assert_right(package: Path, got: np.ndarray) -> None:
    want = np.load(package.parent / "want.npy")
    difference = np.abs(got - want).max() / np.abs(want).max()
    assert 0 < difference < LIMIT, "ports are FP16, and nothing else is"


def assert_three_devices(journal: Path) -> None:
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    assert not [event for event in events if event["event"] == "violation"]
    runs = [event["device"] for event in events if event["event"] == "execute"]
    counts = {device: runs.count(device) for device in set(runs)}
    assert counts == {"gpu": 2, "dla0": 2, "dla1": 2}, "one prefix and the suffix on the GPU"


def test_the_program_runs_it_on_gpu_and_dla(package: Path, tmp_path: Path) -> None:
    words = ("run", package, "--input", package.parent / "x.npy", "--output", tmp_path / "y.npy")
    done = command(program(), "--quiet", *words, "--plan", PLAN, env=board(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_right(package, np.load(tmp_path / "y.npy"))
    assert_three_devices(tmp_path / "journal")


def test_a_stock_tvm_process_runs_it_on_gpu_and_dla(package: Path, tmp_path: Path) -> None:
    x = np.load(package.parent / "x.npy")
    assert_right(package, stock(package, tmp_path, {"input": x}, env=board(tmp_path)))
    assert_three_devices(tmp_path / "journal")


def test_what_runs_on_a_jetson_is_rehearsed_from_end_to_end(package: Path, tmp_path: Path) -> None:
    """Build, doctor, hardware suite, measuring: all but the board is real."""
    words = ("--rehearse", "--output", tmp_path / "rows.csv", package)
    done = command(ROOT / "scripts/on_jetson", *words)
    assert done.returncode == 0, done.stderr
    assert "SKIPPED" not in done.stdout + done.stderr, "the suite runs, with two cores"
    with open(tmp_path / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["processor"] for row in rows] == ["DLA0+GPU", "GPU", "GPU+DLA0+DLA1", "GPU"]
    for row in rows:
        assert row["kind"] == "emulated", "no figure of a board may come from here"
        assert row["precision"] == "FP16" and float(row["value"]) > 0
