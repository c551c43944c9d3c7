"""MobileNet V2, trained on ImageNet: examples/models' quantised TFLite file as a float ONNX model.

The weights become the float values that their integers stand for; activations are not rounded.
The last 1x1 convolution over a 1x1 map is written as the dense layer it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from command import run
from onnx_net import OnnxNet, same_padding
from tflite_file import Operator, TfliteFile

SOURCE = Path(__file__).parents[2] / "examples/models/mobilenet_v2_1.0_224_quant.tflite"


def build(batch: int) -> Any:
    """The model for `batch` pictures of 3x224x224, values -1 to 1, RGB; 1001 probabilities."""
    file = TfliteFile(SOURCE)
    _, height, width, channels = file.shape(file.input)
    net = OnnxNet("mobilenet_v2", (batch, channels, height, width))
    values = {file.input: "input"}
    for op in file.operators():
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D") and file.shape(op.inputs[0])[1] > 1:
            values[op.output] = _conv(net, file, op, values[op.inputs[0]])
        elif op.name == "ADD":
            values[op.output] = net.node("Add", [values[i] for i in op.inputs])
        elif op.name == "AVERAGE_POOL_2D":
            features = values[op.inputs[0]]
        elif op.name == "CONV_2D":
            weight, bias = (file.weight(i) for i in op.inputs[1:])
        elif op.name not in ("RESHAPE", "SOFTMAX"):
            raise ValueError(f"operator {op.name} is not expected in this model")
    output = net.classifier(features, weight.reshape(weight.shape[0], -1), bias)
    return net.model(output, len(bias))


def _conv(net: OnnxNet, file: TfliteFile, op: Operator, x: str) -> str:
    kernel, bias = (file.weight(i) for i in op.inputs[1:])
    depthwise = op.name == "DEPTHWISE_CONV_2D"
    # TFLite stores [out, h, w, in], for depthwise [1, h, w, out].
    kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(0, 3, 1, 2)
    size = file.shape(op.inputs[0])[1]
    pads = same_padding(size, kernel.shape[2], op.stride) if op.same else (0, 0, 0, 0)
    groups = kernel.shape[0] if depthwise else 1
    y = net.conv(x, kernel, bias, stride=op.stride, pads=pads, groups=groups)
    return net.relu6(y) if op.relu6 else y


if __name__ == "__main__":
    run(__doc__, build)
