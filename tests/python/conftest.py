"""What the Python tests share. They run in each environment of `.venv/<tvm version>`."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from tvm import relay
from tvm.contrib import graph_executor

import tvm_dla

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# TVM 0.16's wheel compiles for RISC-V unless told otherwise.
LLVM = "llvm -mtriple=x86_64-linux-gnu"
INPUT_SHAPE = (1, 3, 8, 8)


def pytest_sessionstart(session: pytest.Session) -> None:
    try:
        tvm_dla.register()
    except ImportError as error:
        pytest.exit(f"the plugin is needed by these tests: {error}", returncode=2)


def command(
    *words: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with its output as text."""
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, cwd=cwd, env=env, timeout=300
    )


def program() -> Path:
    """The release build, or whichever was made last if a source has changed since then."""
    built = [ROOT / "target" / profile / "tvm-dla" for profile in ("release", "debug")]
    made = {path: path.stat().st_mtime for path in built if path.is_file()}
    if not made:
        pytest.fail("there is no tvm-dla: run cargo build")
    changed = max(source.stat().st_mtime for source in (ROOT / "src").rglob("*.*"))
    return built[0] if made.get(built[0], 0) > changed else max(made, key=lambda path: made[path])


def tvmc_dla(*words: object) -> subprocess.CompletedProcess[str]:
    return command(BIN / "tvmc-dla", *words)


def const(rng: np.random.Generator, *shape: int) -> relay.Constant:
    return relay.const((rng.standard_normal(shape) * 0.2).astype("float32"))


def evaluate(mod: tvm.IRModule, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The module's outputs, built for this machine at opt_level 3 and run by TVM."""
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(mod, target=LLVM)
    executor = graph_executor.GraphModule(built["default"](tvm.cpu()))
    executor.run(**inputs)
    return [executor.get_output(i).numpy() for i in range(executor.get_num_outputs())]


def offloaded(mod: tvm.IRModule) -> set[str]:
    """The operators in the external functions."""
    names: set[str] = set()

    def visit(expr: relay.Expr) -> None:
        if isinstance(expr, relay.Call) and isinstance(expr.op, tvm.ir.Op):
            names.add(str(expr.op.name))

    for function in mod.functions.values():
        if function.attrs and "Compiler" in function.attrs.keys():
            relay.analysis.post_order_visit(function.body, visit)
    return names


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained-looking network: convolution, pooling, classifier."""
    rng = np.random.default_rng(3)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        values = (rng.standard_normal(shape) * 0.2).astype("float32")
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w2", "b2"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["y"], axis=1),
    ]
    return save_onnx(
        tmp_path_factory.mktemp("model") / "small.onnx",
        nodes,
        INPUT_SHAPE,
        [weight("w1", 4, 3, 3, 3), weight("b1", 4), weight("w2", 10, 64), weight("b2", 10)],
    )


def save_onnx(
    path: Path,
    nodes: list[onnx.NodeProto],
    shape: tuple[int | str, ...],
    weights: list[onnx.TensorProto],
) -> Path:
    """One input `x` of that shape, one output `y`."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    onnx.save(made, str(path))
    return path


# The whole program of a user who has TVM and the artifact, and nothing of ours in the source.
STOCK = """
import sys, numpy as np, tvm
from tvm.contrib import graph_executor
lib, graph, params, inputs, outputs = sys.argv[1:]
module = graph_executor.create(open(graph).read(), tvm.runtime.load_module(lib), tvm.cpu())
module.load_params(open(params, "rb").read())
module.run(**np.load(inputs))
np.save(outputs, module.get_output(0).numpy())
assert "tvm_dla" not in sys.modules
"""


def stock(
    package: Path,
    directory: Path,
    inputs: dict[str, np.ndarray],
    env: dict[str, str] | None = None,
) -> np.ndarray:
    """A tvmc package's first output in a stock TVM process; files go to `directory`."""
    library_in(package, directory)
    np.savez(directory / "inputs.npz", **inputs)
    names = ("mod.so", "mod.json", "mod.params", "inputs.npz", "outputs.npy")
    files = [directory / name for name in names]
    done = command(sys.executable, "-c", STOCK, *files, cwd=directory, env=env)
    assert done.returncode == 0, done.stderr
    return np.asarray(np.load(directory / "outputs.npy"))


def library_in(package: Path, directory: Path) -> Path:
    """`mod.so` out of a tvmc package."""
    with tarfile.open(package) as tar:
        tar.extractall(directory)
    return directory / "mod.so"
