"""One network for one chip: compiled, inspected, calibrated, and run in float32 and INT8."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import macs
import numpy as np
import numpy.typing as npt
import skimage.data
import skimage.transform
from packages import FOLDER, ROOT, Network, fetch

TVM_DLA = ROOT / "target/release/tvm-dla"
TVMC = ROOT / ".venv/0.9/bin/tvmc-dla"
# By name, an input's type and shape.
Inputs = dict[str, tuple[str, list[int]]]
# What tvmc's target says, by the name of the chip.
TARGETS = {"xavier": "dla -chip=xavier", "orin": "dla -chip=orin -tensorrt=10.3"}
PICTURES = ("chelsea", "coffee", "rocket", "astronaut")
STAYS = re.compile(r"stays with TVM: (\S+) \((\d+)x\): (.*)")


@dataclass
class Result:
    """What became of one network; shares are of all multiply-adds of the model."""

    network: str
    chip: str
    macs: int = 0
    prefix: float = 0.0
    able: float = 0.0
    regions: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)
    blocker: str = ""
    decibels: float | None = None
    # Why there is no signal-to-noise.
    refused: str = ""
    seconds: float = 0.0
    error: str = ""


class Failed(Exception):
    """A command that did not do what it was asked; the last line of what it said."""


def measure(network: Network, chip: str, numbers: bool) -> Result:
    """Everything about one network; a failure is part of the result."""
    result = Result(network.name, chip)
    try:
        file = fetch(network)
        whole = macs.whole(network, file)
        result.macs = whole.macs
        artifact = FOLDER / "artifacts" / f"{network.name}.{chip}.tar"
        started = time.monotonic()
        said = _compile(network, chip, file, artifact)
        result.seconds = time.monotonic() - started
        _inspect(result, artifact, said)
    except Exception as error:
        result.error = _last(str(error))
        return result
    if numbers:
        try:
            result.decibels = _decibels(network, artifact, whole.inputs)
        except Failed as error:
            result.refused = str(error)
    return result


def as_json(result: Result) -> dict[str, Any]:
    return asdict(result)


def _compile(network: Network, chip: str, file: Path, artifact: Path) -> str:
    artifact.parent.mkdir(parents=True, exist_ok=True)
    shapes = macs.shapes(network, file) or {}
    given = " ".join(f"{name}:{shape}".replace(" ", "") for name, shape in shapes.items())
    options = ["--input-shapes", given] if given else []
    target = ["--target", TARGETS[chip] + ", llvm", "--output", str(artifact)]
    return _do([str(TVMC), "compile", *target, *options, str(file)]).stderr


def _inspect(result: Result, artifact: Path, said: str) -> None:
    report = json.loads(_do([str(TVM_DLA), "inspect", "--json", str(artifact)]).stdout)
    nodes = [node for network in report["networks"] for node in network["nodes"]]
    # Identity convolutions stand for paddings and are no work of the model.
    work = [node for node in nodes if not node["copies"]]
    total = max(result.macs, 1)
    result.regions = len(report["networks"])
    result.prefix = sum(n["macs"] for n in work if n["side"] == "prefix") / total
    result.able = sum(n["macs"] for n in work if n["may_run_on_dla"]) / total
    result.kept = report["kept"] or [
        {"op": op, "count": int(count), "reason": reason}
        for op, count, reason in STAYS.findall(said)
    ]
    result.blocker = _blocker(nodes, result)


def _blocker(nodes: list[dict[str, Any]], result: Result) -> str:
    """What ends the prefix: the first node that no DLA runs, or what TVM kept."""
    first = next(iter(result.kept), None)
    if first and result.regions > 1:
        return f"TVM keeps {first['op']}: {first['reason']}"
    refused = [n for n in nodes if not n["may_run_on_dla"]]
    # Shapes behind the last layer that costs anything keep nothing off a DLA.
    costly = [i for i, n in enumerate(nodes) if n["macs"] and n["side"] != "prefix"]
    if costly:
        before = [n for n in nodes[: costly[-1] + 1] if not n["may_run_on_dla"]]
        refused = before or refused
        if not before and first:
            return f"TVM keeps {first['op']}: {first['reason']}"
    if not refused:
        return ""
    return f"{refused[0]['name']}: {refused[0]['reason']}"


def _decibels(network: Network, artifact: Path, inputs: Inputs) -> float:
    """The least signal-to-noise of INT8 against float32 over the outputs.

    A model that was quantised has its own ranges; others get those of the pictures."""
    scratch = FOLDER / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    data = scratch / "x.npz"
    last = Failed("no order of axes fits")
    for arrays in _pictures(network, inputs):
        np.savez(data, **arrays)
        try:
            plain = _outputs(artifact, data, "--precision", "fp32")
            coarse = _coarse(artifact, data)
        except Failed as error:
            last = error
            continue
        return min(_noise(plain[name], coarse[name]) for name in plain)
    raise last


def _coarse(artifact: Path, data: Path) -> dict[str, npt.NDArray[Any]]:
    int8 = ["--precision", "int8"]
    try:
        return _outputs(artifact, data, *int8)
    except Failed as error:
        if "there is no calibration" not in str(error):
            raise
    table = data.with_suffix(".calib")
    _ours("calibrate", artifact, "--npz", data, "--output", table)
    return _outputs(artifact, data, *int8, "--calibration", f"{table}.json")


def _outputs(artifact: Path, data: Path, *options: str) -> dict[str, npt.NDArray[Any]]:
    file = data.with_name("y.npz")
    _ours("run", artifact, "--input", data, "--output", file, *options)
    with np.load(file) as arrays:
        return {name: arrays[name].astype(np.float64) for name in arrays.files}


def _noise(plain: npt.NDArray[Any], coarse: npt.NDArray[Any]) -> float:
    signal, noise = float((plain**2).sum()), float(((plain - coarse) ** 2).sum())
    if noise == 0.0 or math.isnan(noise):
        return math.inf if noise == 0.0 else -math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def _pictures(network: Network, inputs: Inputs) -> list[dict[str, npt.NDArray[Any]]]:
    """Photographs in the order of axes that the model declares, and with channels second."""
    orders = []
    for move in (False, True):
        arrays = {}
        for name, (dtype, (_, *sides)) in inputs.items():
            first = sides[0] in (1, 3)
            channels, size = (sides[0], sides[1:]) if first else (sides[-1], sides[:-1])
            rows = [_picture(title, size, channels) for title in PICTURES]
            low, high = network.span
            array = low + (high - low) * np.stack(rows)
            if first or move:
                array = array.transpose(0, 3, 1, 2)
            whole = np.rint(array) if np.dtype(dtype).kind in "iu" else array
            arrays[name] = np.ascontiguousarray(whole, dtype=dtype)
        orders.append(arrays)
    return orders


def _picture(title: str, size: list[int], channels: int) -> npt.NDArray[Any]:
    photograph = getattr(skimage.data, title)()[..., :3]
    resize: Any = skimage.transform.resize
    picture: npt.NDArray[Any] = resize(photograph, size, anti_aliasing=True)
    return picture if channels == 3 else picture.mean(axis=-1, keepdims=True)


def _ours(command: str, *arguments: object) -> None:
    _do([str(TVM_DLA), command, *map(str, arguments)])


def _do(command: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER)
    if done.returncode:
        raise Failed(_last(done.stderr))
    return done


def _last(text: str) -> str:
    """The line that says what is wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith(("tvm-dla:", "error:", "dla:"))]
    return (ours or lines or ["no message"])[-1]
