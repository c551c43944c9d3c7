"""A stock TVM program, with nothing of tvm_dla in it: the artifact brings the plugin along.

`python examples/stock_tvm.py model.tar`; variables such as `TVM_DLA_PLAN` configure it.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import tvm
from tvm.contrib import graph_executor


def main(artifact: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(artifact) as package:
            package.extractall(folder)
        files = Path(folder)
        library = tvm.runtime.load_module(str(files / "mod.so"))
        module = graph_executor.create((files / "mod.json").read_text(), library, tvm.cpu())
        module.load_params((files / "mod.params").read_bytes())
        shapes, types = module.get_input_info()
        for name, shape in shapes.items():
            module.set_input(name, np.ones(shape, types[name]))
        module.run()
        print(module.get_output(0).numpy().shape)
    assert "tvm_dla" not in sys.modules


if __name__ == "__main__":
    main(sys.argv[1])
