"""What TVM's own LLVM build of the quantised MobileNet V2 gives for the photographs.

Building that model takes TVM minutes, so its results are kept: `golden/mobilenet_v2_quant.json`.
`python tests/python/quantised_reference.py` writes them again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import tflite
import tvm
from PIL import Image
from tvm import relay
from tvm.contrib import graph_executor

MODELS = Path(__file__).parents[2] / "examples/models"
MODEL = MODELS / "mobilenet_v2_1.0_224_quant.tflite"
PICTURES = ("cat.png", "dog_test_0.png", "owl.jpg", "parrot.jpg")
GOLDEN = Path(__file__).parent / "golden/mobilenet_v2_quant.json"
LLVM = "llvm -mtriple=x86_64-linux-gnu"


def pixels(name: str) -> Any:
    """The centre of a photograph as the model takes it: uint8, [1, 224, 224, 3]."""
    image = Image.open(MODELS / name).convert("RGB")
    width, height = image.size
    side = min(width, height) * 0.875
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((224, 224), Image.BICUBIC, box), np.uint8)[np.newaxis]


def digest() -> str:
    """Of the model and of what it is given."""
    given = hashlib.sha256(MODEL.read_bytes())
    for name in PICTURES:
        given.update(pixels(name).tobytes())
    return given.hexdigest()


def main() -> None:
    model = tflite.Model.GetRootAsModel(MODEL.read_bytes(), 0)
    mod, params = relay.frontend.from_tflite(model)
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(mod, target=LLVM, params=params)
    executor = graph_executor.GraphModule(built["default"](tvm.cpu()))
    scores = {}
    for name in PICTURES:
        executor.run(input=pixels(name))
        result = executor.get_output(0).numpy()[0]
        scores[name] = {int(i): int(result[i]) for i in np.flatnonzero(result)}
    made = {"tvm": tvm.__version__, "digest": digest(), "scores": scores}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
