"""ONNX's own backend node tests through TVM's front end, the partitioner and the plugin.

Run as a program it tries every case and prints what became of it, one JSON object a line::

    python tests/python/onnx_nodes.py [--jobs 2] [PREFIX...] >outcomes.jsonl
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np
import onnx
import tvm
from onnx import numpy_helper
from tvm import relay
from tvm.contrib import graph_executor

import tvm_dla
from tvm_dla.errors import NothingToOffload

CASES = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
LLVM = "llvm -mtriple=x86_64-linux-gnu"
SECONDS = 300


class Outcome(NamedTuple):
    """What became of a case."""

    state: str
    """`right`, `wrong`, `kept` (TVM computes all of it), `refused` (TVM cannot) or `crashed`."""
    detail: str = ""
    regions: int = 0
    """Calls of operators that stay in `main` beside the regions."""
    kept: tuple[str, ...] = ()


def outcome(name: str) -> Outcome:
    """What becomes of one case in this process."""
    try:
        mod, inputs, expected = imported(name)
        want = [np.asarray(value) for value in evaluate(mod, inputs)]
    except Exception as error:
        return Outcome("refused", _short(error))
    try:
        part = tvm_dla.partition_for_dla(mod)
    except NothingToOffload as error:
        return Outcome("kept", str(error)[-600:])
    except tvm_dla.errors.DynamicShape as error:
        return Outcome("refused", _short(error))
    regions = sum(1 for f in part.functions.values() if f.attrs and "Compiler" in f.attrs.keys())
    kept = tuple(sorted(_calls(part["main"])))
    got = evaluate(part, inputs)
    # Where TVM itself is not what ONNX says, it is not ours to tell who is right.
    for index, (ours, theirs, tvms) in enumerate(zip(got, expected, want)):
        if _close(ours, theirs) or (_close(ours, tvms) and not _close(tvms, theirs)):
            continue
        return Outcome("wrong", f"output {index}: {ours} instead of {theirs}", regions, kept)
    return Outcome("right", "", regions, kept)


def imported(name: str) -> tuple[Any, dict[str, np.ndarray], list[np.ndarray]]:
    """The case as a Relay module, its inputs and the outputs that ONNX expects.

    Integers (shapes, axes, indices) and whatever a model has as weights are constants.
    """
    directory = CASES / name
    model = onnx.load(str(directory / "model.onnx"))
    data = directory / "test_data_set_0"
    values = [_array(data / f"input_{i}.pb") for i in range(len(model.graph.input))]
    named = {tensor.name: value for tensor, value in zip(model.graph.input, values)}
    expected = [_array(data / f"output_{i}.pb") for i in range(len(model.graph.output))]
    fed = _fed(model, named)
    constants = {key: value for key, value in named.items() if key not in fed}
    for key, value in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(value, key))
    shapes = {key: value.shape for key, value in fed.items()}
    dtypes = {key: str(value.dtype) for key, value in fed.items()}
    mod, params = relay.frontend.from_onnx(model, shapes, dtypes, freeze_params=True)
    mod["main"] = relay.build_module.bind_params_by_name(mod["main"], params)
    return relay.transform.DynamicToStatic()(mod), fed, expected


# Operators whose operands after the first are weights in a model.
WEIGHTED = {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "PRelu"}
WEIGHTED |= {"LayerNormalization", "GroupNormalization", "Gemm", "LSTM", "GRU", "RNN"}


def _fed(model: Any, named: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    # Bounds, ratios and the like are numbers, and constants in a model.
    floats = {key: v for key, v in named.items() if v.dtype.kind == "f" and v.ndim > 0}
    first = model.graph.node[0]
    if first.op_type in WEIGHTED and len(model.graph.node) == 1:
        return {key: value for key, value in floats.items() if key == first.input[0]}
    return floats


def evaluate(mod: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(mod, target=LLVM)
    executor = graph_executor.GraphModule(built["default"](tvm.cpu()))
    executor.run(**inputs)
    return [executor.get_output(i).numpy() for i in range(executor.get_num_outputs())]


def _array(path: Path) -> np.ndarray:
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def _close(ours: np.ndarray, theirs: np.ndarray) -> bool:
    half = theirs.dtype == np.float16
    rtol, atol = (1e-2, 1e-2) if half else (1e-3, 1e-5)
    return ours.shape == theirs.shape and bool(
        np.allclose(ours.astype("float64"), theirs.astype("float64"), rtol, atol, equal_nan=True)
    )


def _calls(main: Any) -> list[str]:
    names: list[str] = []

    def visit(expr: Any) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            names.append(str(expr.op.name))

    relay.analysis.post_order_visit(main, visit)
    return names


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:300]


def apart(name: str) -> Outcome:
    """What becomes of one case in a process of its own, so that a crash is an outcome."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(name, send))
    child.start()
    send.close()
    try:
        found = receive.recv() if receive.poll(SECONDS) else Outcome("crashed", "no answer")
    except EOFError:
        found = Outcome("crashed", "the process ended")
    child.kill()
    child.join()
    return Outcome(*found)


def _report(name: str, send: Any) -> None:
    try:
        send.send(tuple(outcome(name)))
    except Exception as error:
        send.send(tuple(Outcome("crashed", f"{type(error).__name__}: {error}"[-2000:])))


def cases(prefixes: list[str]) -> Iterator[str]:
    for path in sorted(CASES.iterdir()):
        if path.is_dir() and (not prefixes or any(path.name.startswith(p) for p in prefixes)):
            yield path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("prefixes", nargs="*")
    arguments = parser.parse_args()
    tvm_dla.register()
    names = list(cases(arguments.prefixes))
    counts: dict[str, int] = {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for name, found in zip(names, pool.map(apart, names)):
            counts[found.state] = counts.get(found.state, 0) + 1
            print(json.dumps({"case": name, **found._asdict()}), flush=True)
    print(counts, file=sys.stderr)


if __name__ == "__main__":
    main()
