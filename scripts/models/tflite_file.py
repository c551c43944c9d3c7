"""Reads a quantised TFLite classifier: operators with float32 weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite

_DTYPES = {tflite.TensorType.UINT8: np.uint8, tflite.TensorType.INT32: np.int32}
_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}


@dataclass(frozen=True)
class Operator:
    """One operator; operands and result are tensor numbers."""

    name: str
    inputs: list[int]
    output: int
    stride: int = 1
    same: bool = True
    relu6: bool = False


class TfliteFile:
    """One subgraph of a TFLite file."""

    def __init__(self, path: Path) -> None:
        self._model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self.input = int(self._graph.Inputs(0))
        self.output = int(self._graph.Outputs(0))

    def shape(self, tensor: int) -> list[int]:
        return [int(d) for d in self._graph.Tensors(tensor).ShapeAsNumpy()]

    def weight(self, tensor: int) -> Any:
        """The float32 values that the stored integers stand for: scale * (q - zero point)."""
        entry = self._graph.Tensors(tensor)
        data = self._model.Buffers(entry.Buffer()).DataAsNumpy()
        stored = np.frombuffer(data.tobytes(), _DTYPES[entry.Type()]).reshape(self.shape(tensor))
        quantisation = entry.Quantization()
        zero = int(quantisation.ZeroPoint(0))
        return ((stored.astype(np.int64) - zero) * quantisation.Scale(0)).astype(np.float32)

    def operators(self) -> list[Operator]:
        count = self._graph.OperatorsLength()
        return [self._operator(self._graph.Operators(i)) for i in range(count)]

    def _operator(self, op: Any) -> Operator:
        code = self._model.OperatorCodes(op.OpcodeIndex())
        name = _NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(op.Inputs(i)) for i in range(op.InputsLength())]
        reader = {
            "CONV_2D": tflite.Conv2DOptions,
            "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
        }.get(name)
        if reader is None:
            return Operator(name, inputs, int(op.Outputs(0)))
        options = reader()
        options.Init(op.BuiltinOptions().Bytes, op.BuiltinOptions().Pos)
        return Operator(
            name,
            inputs,
            int(op.Outputs(0)),
            stride=int(options.StrideH()),
            same=options.Padding() == tflite.Padding.SAME,
            relu6=options.FusedActivationFunction() == tflite.ActivationFunctionType.RELU6,
        )
