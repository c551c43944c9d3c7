"""The models that set-up writes: right on real photographs, the same every time, finite."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts/models"))

import efficientnet_lite0  # noqa: E402
import mobilenet_v2  # noqa: E402
import torch_file  # noqa: E402
import zoo  # noqa: E402

LABELS = (ROOT / "examples/models/imagenet_labels.txt").read_text().splitlines()
# What the photographs show, as far as an ImageNet class says it.
SHOWN = {"cat.png": "cat", "parrot.jpg": "macaw", "dog_test_0.png": ("terrier", "poodle")}


def infer(model: Any, data: Any) -> Any:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: data})[0]


def picture(path: Path, mean: float, std: float) -> Any:
    image = Image.open(path).convert("RGB")
    width, height = image.size
    side = min(width, height) * 0.875
    box = (
        (width - side) / 2,
        (height - side) / 2,
        (width + side) / 2,
        (height + side) / 2,
    )
    pixels = np.asarray(image.resize((224, 224), Image.BICUBIC, box), np.float32)
    return ((pixels - mean) / std).transpose(2, 0, 1)


@pytest.mark.parametrize(
    "writer, mean, std, background",
    [(mobilenet_v2, 127.5, 127.5, 0), (efficientnet_lite0, 127.0, 128.0, 1)],
    ids=["mobilenet_v2", "efficientnet_lite0"],
)
def test_trained_models_see_what_the_photographs_show(
    writer: Any, mean: float, std: float, background: int
) -> None:
    data = np.stack([picture(ROOT / "examples/models" / name, mean, std) for name in SHOWN])
    best = infer(writer.build(len(SHOWN)), data.astype(np.float32)).argmax(axis=1)
    for (name, shown), index in zip(SHOWN.items(), best):
        label = LABELS[index + background]
        words = (shown,) if isinstance(shown, str) else shown
        assert any(word in label for word in words), f"{name}: {label}"


def test_a_model_is_written_the_same_every_time() -> None:
    for build in (mobilenet_v2.build, lambda n: zoo.build("shufflenet", n)):
        assert build(2).SerializeToString() == build(2).SerializeToString()


@pytest.mark.parametrize("name", [n for n in zoo.NAMES if n not in ("vgg19", "bvlc_alexnet")])
def test_zoo_models_compute_something_that_is_neither_constant_nor_infinite(name: str) -> None:
    data = np.random.default_rng(0).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    result = infer(zoo.build(name), data)
    assert np.isfinite(result).all()
    assert result.std() > 0
    logits = name == "densenet121"
    assert logits or result.max() < 0.999, "a saturated softmax hides differences"


def test_a_file_that_wants_other_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match=r"os\.system"):
        torch_file.read_state(path)
