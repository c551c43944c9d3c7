"""`tvm-dla export`: the files are ONNX as others read it, and compute what the program computes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from conftest import LLVM, command, program, tvmc_dla

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/models"))

import mobilenet_v2  # noqa: E402


def infer(path: str, data: Any) -> Any:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = [port.name for port in session.get_inputs()]
    (result,) = session.run(None, {name: data})
    return result


def test_every_stage_is_onnx_and_agrees_with_the_program(tmp_path: Path) -> None:
    model, package = tmp_path / "m.onnx", tmp_path / "m.tar"
    original = mobilenet_v2.build(1)
    onnx.save(original, str(model))
    done = tvmc_dla("compile", model, "--target", f"dla, {LLVM}", "-o", package)
    assert done.returncode == 0, done.stderr

    rows = 3
    data = np.random.default_rng(0).uniform(-1, 1, (rows, 3, 224, 224)).astype(np.float32)
    np.save(tmp_path / "x.npy", data)
    words = ["--json", "export", package, "--onnx", tmp_path / "stages", "--batch", rows]
    exported = command(program(), *words)
    assert exported.returncode == 0, exported.stderr
    stages = {stage["stage"]: stage for stage in json.loads(exported.stdout)["stages"]}
    assert set(stages) == {"whole", "prefix", "suffix"}
    for stage in stages.values():
        onnx.checker.check_model(stage["onnx"], full_check=True)

    plan = "gpu=1x1,dla0=1x1,dla1=1x1,suffix=3"
    result = tmp_path / "y.npy"
    words = ["run", package, "-i", tmp_path / "x.npy", "-o", result, "--plan", plan]
    ran = command(program(), *words, "--precision", "fp32")
    assert ran.returncode == 0, ran.stderr
    ours = np.load(result)
    whole = infer(stages["whole"]["onnx"], data)
    cut = infer(stages["suffix"]["onnx"], infer(stages["prefix"]["onnx"], data))
    source = np.concatenate([infer(str(model), row[None]) for row in data])
    for name, other in (("whole", whole), ("prefix, suffix", cut), ("the original", source)):
        difference = np.abs(ours - other).max() / np.abs(source).max()
        assert difference < 1e-4, f"{name}: {difference}"
