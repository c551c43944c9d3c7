"""Writes small TFLite models, operator by operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import tflite

DTYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int32": tflite.TensorType.INT32,
}


class TfliteModel:
    """A model under construction; tensors go by number."""

    def __init__(self) -> None:
        self.b = flatbuffers.Builder(4096)
        self.buffers: list[bytes] = [b""]
        self.tensors: list[int] = []
        self.operators: list[int] = []
        self.codes: list[int] = []

    def tensor(
        self,
        shape: tuple[int, ...],
        dtype: str = "float32",
        scale: tuple[Any, int] | None = None,
        data: Any = None,
        axis: int = 0,
    ) -> int:
        """An activation, or with `data` a constant. `scale` is the scale, or several along `axis`,
        and the zero point."""
        number = len(self.tensors)
        if data is not None:
            self.buffers.append(np.ascontiguousarray(data, dtype).tobytes())
        name = self.b.CreateString(f"t{number}")
        dims = self._vector(tflite.TensorStartShapeVector, list(shape))
        quantised = self._scale(*scale, axis) if scale else None
        tflite.TensorStart(self.b)
        tflite.TensorAddShape(self.b, dims)
        tflite.TensorAddType(self.b, DTYPES[dtype])
        tflite.TensorAddBuffer(self.b, 0 if data is None else len(self.buffers) - 1)
        tflite.TensorAddName(self.b, name)
        if quantised is not None:
            tflite.TensorAddQuantization(self.b, quantised)
        self.tensors.append(tflite.TensorEnd(self.b))
        return number

    def operator(self, name: str, inputs: list[int], output: int, **options: int) -> int:
        """`options` are those of the operator's table, in its own words; gives `output`."""
        code = getattr(tflite.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        table = OPTIONS.get(name)
        written = None
        if table is not None:
            getattr(tflite, f"{table}Start")(self.b)
            for option, value in options.items():
                getattr(tflite, f"{table}Add{option}")(self.b, value)
            written = getattr(tflite, f"{table}End")(self.b)
        read = self._vector(tflite.OperatorStartInputsVector, inputs)
        made = self._vector(tflite.OperatorStartOutputsVector, [output])
        tflite.OperatorStart(self.b)
        tflite.OperatorAddOpcodeIndex(self.b, self.codes.index(code))
        tflite.OperatorAddInputs(self.b, read)
        tflite.OperatorAddOutputs(self.b, made)
        if written is not None:
            tflite.OperatorAddBuiltinOptionsType(self.b, getattr(tflite.BuiltinOptions, table))
            tflite.OperatorAddBuiltinOptions(self.b, written)
        self.operators.append(tflite.OperatorEnd(self.b))
        return output

    def save(self, path: Path, inputs: list[int], outputs: list[int]) -> Path:
        b = self.b
        tensors = self._offsets(tflite.SubGraphStartTensorsVector, self.tensors)
        operators = self._offsets(tflite.SubGraphStartOperatorsVector, self.operators)
        read = self._vector(tflite.SubGraphStartInputsVector, inputs)
        made = self._vector(tflite.SubGraphStartOutputsVector, outputs)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors)
        tflite.SubGraphAddOperators(b, operators)
        tflite.SubGraphAddInputs(b, read)
        tflite.SubGraphAddOutputs(b, made)
        graphs = self._offsets(tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(b)])
        codes = self._offsets(
            tflite.ModelStartOperatorCodesVector, [self._code(c) for c in self.codes]
        )
        buffers = self._offsets(
            tflite.ModelStartBuffersVector, [self._buffer(d) for d in self.buffers]
        )
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, codes)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddBuffers(b, buffers)
        b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
        path.write_bytes(bytes(b.Output()))
        return path

    def _code(self, code: int) -> int:
        tflite.OperatorCodeStart(self.b)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.b, min(code, 127))
        tflite.OperatorCodeAddBuiltinCode(self.b, code)
        tflite.OperatorCodeAddVersion(self.b, 1)
        return int(tflite.OperatorCodeEnd(self.b))

    def _buffer(self, data: bytes) -> int:
        content = self.b.CreateByteVector(data) if data else None
        tflite.BufferStart(self.b)
        if content is not None:
            tflite.BufferAddData(self.b, content)
        return int(tflite.BufferEnd(self.b))

    def _scale(self, scale: Any, zero_point: int, axis: int) -> int:
        scales = np.atleast_1d(np.asarray(scale, "float32"))
        self.b.StartVector(4, len(scales), 4)
        for value in reversed(scales):
            self.b.PrependFloat32(float(value))
        scale_vector = self.b.EndVector()
        self.b.StartVector(8, len(scales), 8)
        for _ in scales:
            self.b.PrependInt64(zero_point)
        zero_vector = self.b.EndVector()
        tflite.QuantizationParametersStart(self.b)
        tflite.QuantizationParametersAddScale(self.b, scale_vector)
        tflite.QuantizationParametersAddZeroPoint(self.b, zero_vector)
        tflite.QuantizationParametersAddQuantizedDimension(self.b, axis)
        return int(tflite.QuantizationParametersEnd(self.b))

    def _vector(self, start: Any, numbers: list[int]) -> int:
        start(self.b, len(numbers))
        for number in reversed(numbers):
            self.b.PrependInt32(number)
        return int(self.b.EndVector())

    def _offsets(self, start: Any, offsets: list[int]) -> int:
        start(self.b, len(offsets))
        for offset in reversed(offsets):
            self.b.PrependUOffsetTRelative(offset)
        return int(self.b.EndVector())


OPTIONS = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "PAD": "PadOptions",
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "RESHAPE": "ReshapeOptions",
    "SOFTMAX": "SoftmaxOptions",
    "QUANTIZE": "QuantizeOptions",
}
