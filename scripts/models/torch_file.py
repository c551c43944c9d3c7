"""Reads a PyTorch state dict without PyTorch, and without running what the file says.

The format is the one before PyTorch 1.6: four pickles (magic number, protocol, system, the dict)
whose tensors refer to storages that follow as raw bytes. Only the three classes that a state dict
needs can be named by the file.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": np.float32, "LongStorage": np.int64}


def read_state(path: Path) -> dict[str, Any]:
    """Name -> array. Raises ValueError for any other kind of file."""
    kinds: dict[str, Any] = {}
    with path.open("rb") as file:
        if _Unpickler(file, kinds).load() != MAGIC:
            raise ValueError(f"{path} is not a PyTorch file of the legacy format")
        for _ in ("protocol", "system"):
            _Unpickler(file, kinds).load()
        tensors = _Unpickler(file, kinds).load()
        storages = {key: _storage(file, kinds[key]) for key in _Unpickler(file, kinds).load()}
    return {name: tensor.array(storages) for name, tensor in tensors.items()}


def _storage(file: BinaryIO, kind: Any) -> Any:
    (count,) = struct.unpack("<q", file.read(8))
    return np.frombuffer(file.read(count * np.dtype(kind).itemsize), kind)


class _Tensor:
    def __init__(self, storage: Any, offset: int, shape: Any, stride: Any, *_: Any) -> None:
        self.key = storage
        self.offset, self.shape, self.stride = offset, shape, stride

    def array(self, storages: dict[str, Any]) -> Any:
        flat = storages[self.key][self.offset :]
        strides = [step * flat.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, kinds: dict[str, Any]) -> None:
        super().__init__(file)
        self.kinds = kinds

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise ValueError(f"the file names {module}.{name}, which no state dict needs")

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, *_ = pid
        self.kinds[key] = kind
        return key
