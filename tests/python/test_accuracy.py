"""`tvm-dla accuracy` with a trained network, over photographs whose classes are known."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from conftest import LLVM, command, program, tvmc_dla

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/models"))

import mobilenet_v2  # noqa: E402

MODELS = ROOT / "examples/models"
CLASSES = (MODELS / "imagenet_labels.txt").read_text().splitlines()
# What a person sees, and whether this network does: it takes the owl for a grouse.
SHOWN = {
    "parrot.jpg": ("macaw", True),
    "cat.png": ("Egyptian cat", True),
    "owl.jpg": ("great grey owl, great gray owl, Strix nebulosa", False),
}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accuracy")
    onnx.save(mobilenet_v2.build(1), str(folder / "net.onnx"))
    target = f"dla -preprocess=unit-symmetric, {LLVM}"
    done = tvmc_dla("compile", folder / "net.onnx", "--target", target, "-o", folder / "net.tar")
    assert done.returncode == 0, done.stderr
    return folder / "net.tar"


def scores(artifact: Path, labels: dict[str, str]) -> dict[str, Any]:
    truth = artifact.parent / "truth.txt"
    truth.write_text("".join(f"{name}\t{label}\n" for name, label in labels.items()))
    words: list[object] = ["--json", "accuracy", artifact, "--labels", truth]
    words += ["--classes", MODELS / "imagenet_labels.txt", "--suggest", "0"]
    done = command(program(), *words, "--images", *(MODELS / name for name in labels))
    assert done.returncode == 0, done.stderr
    return {row["precision"]: row for row in json.loads(done.stdout)["precisions"]}


def test_what_is_right_is_counted_in_every_precision(artifact: Path) -> None:
    right = scores(artifact, {name: label for name, (label, _) in SHOWN.items()})
    seen = sum(seen for _, seen in SHOWN.values())
    for precision in ("fp32", "fp16"):
        assert right[precision]["top1"] == seen, precision
        assert right[precision]["agreeing"] == len(SHOWN), precision
    assert seen <= right["fp32"]["top5"] <= len(SHOWN)
    wrong = scores(artifact, dict.fromkeys(SHOWN, CLASSES[0]))
    for row in wrong.values():
        assert (row["top1"], row["top5"]) == (0, 0), "no photograph shows the background"
