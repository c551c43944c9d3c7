"""Code written for TVM's TensorRT backend, unchanged, on a TVM that was built without it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tvm
from conftest import LLVM, command, const, evaluate, offloaded
from tvm import relay
from tvm.contrib import graph_executor
from tvm.relay.op.contrib import tensorrt

from tvm_dla import library

OLD = tvm.__version__.startswith("0.9.")
MAP = (2, 4, 5, 6)
# The whole program of a user who has TVM and the library, and nothing of ours in the source.
STOCK = """
import numpy as np
import tvm
from tvm.contrib import graph_executor

library = tvm.runtime.load_module("net.so")
executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
executor.run(x=np.load("x.npy"))
np.save("y.npy", executor.get_output(0).numpy())
"""


def partition(mod: tvm.IRModule, use_fp16: bool = False, implicit: bool = True) -> Any:
    """As a user of TVM 0.9, or of a later version, calls it; and the context to build in."""
    if OLD:
        mod, config = tensorrt.partition_for_tensorrt(
            mod, use_implicit_batch=implicit, use_fp16=use_fp16
        )
        options = {"relay.ext.tensorrt.options": config}
        return mod, tvm.transform.PassContext(opt_level=3, config=options), LLVM
    target = tvm.target.Target(f"tensorrt -use_fp16={use_fp16} -use_implicit_batch={implicit}")
    with tvm.transform.PassContext(opt_level=3):
        mod = tensorrt.partition_for_tensorrt(mod, target=target)
    return mod, tvm.transform.PassContext(opt_level=3), [tvm.target.Target(LLVM), target]


def module_of(outputs: list[relay.Expr]) -> tvm.IRModule:
    body = outputs[0] if len(outputs) == 1 else relay.Tuple(outputs)
    free = relay.analysis.free_vars(body)
    mod = tvm.IRModule.from_expr(relay.Function(free, body))
    return tvm.relay.transform.InferType()(mod)


def build(mod: tvm.IRModule, **options: Any) -> tuple[Any, Any]:
    """The partitioned module, and what it was built into."""
    mod, context, target = partition(mod, **options)
    with context:
        return mod, relay.build(mod, target=target)


def run(built: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    executor = graph_executor.GraphModule(built["default"](tvm.cpu()))
    executor.run(**inputs)
    return [executor.get_output(i).numpy() for i in range(executor.get_num_outputs())]


def check(outputs: list[relay.Expr], inputs: dict[str, np.ndarray], **options: Any) -> set[str]:
    """Compares with TVM's own build; gives what was taken."""
    mod = module_of(outputs)
    want = evaluate(mod, inputs)
    partitioned, built = build(module_of(outputs), **options)
    got = run(built, inputs)
    assert len(got) == len(want)
    for index, (ours, theirs) in enumerate(zip(got, want)):
        assert ours.dtype == theirs.dtype
        tolerance = 1e-5 if ours.dtype == np.float32 else 2e-3
        np.testing.assert_allclose(
            ours, theirs, rtol=tolerance, atol=tolerance, err_msg=f"output {index}"
        )
    return offloaded(partitioned)


def positive(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.uniform(0.1, 1.0, shape).astype("float32")


def elementwise(x: relay.Expr, y: relay.Expr) -> list[relay.Expr]:
    unary = ["exp", "log", "sqrt", "abs", "negative", "floor", "sin", "cos", "atan", "ceil", "erf"]
    binary = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum"]
    return [
        *(getattr(relay, name)(x) for name in [*unary, "sigmoid", "tanh"]),
        *(getattr(relay, name)(x, y) for name in binary),
        relay.nn.relu(x),
        relay.nn.leaky_relu(x, alpha=0.2),
        relay.clip(x, 0.2, 0.7),
    ]


def reductions_and_layout(x: relay.Expr) -> list[relay.Expr]:
    reductions = [relay.sum, relay.prod, relay.max, relay.min, relay.mean]
    return [
        *(op(x, axis=[2, 3], keepdims=True) for op in reductions),
        *(op(x, axis=1) for op in reductions),
        relay.nn.softmax(x, axis=1),
        relay.nn.batch_flatten(x),
        relay.expand_dims(x, axis=1, num_newaxis=1),
        relay.transpose(x, [0, 3, 1, 2]),
        relay.layout_transform(x, "NCHW", "NHWC"),
        relay.reshape(x, [0, -1, 2]),
        relay.concatenate([x, x], axis=1),
        *relay.split(x, 2, axis=1),
        *relay.split(x, [1, 3], axis=2),
        relay.strided_slice(x, [0, 1, 0, 1], [2, 3, 5, 6], [1, 1, 2, 3]),
    ]


def windows(x: relay.Expr, video: relay.Expr, rng: np.random.Generator) -> list[relay.Expr]:
    row = relay.reshape(x, [0, 4, 30])
    sums = [const(rng, 4), const(rng, 4), const(rng, 4), relay.const(positive(rng, 4))]
    return [
        relay.nn.conv1d(row, const(rng, 3, 4, 3), padding=(0, 2), channels=3, kernel_size=3),
        relay.nn.conv2d(x, const(rng, 6, 2, 3, 3), groups=2, padding=(1, 0, 2, 1), strides=(2, 1)),
        relay.nn.conv3d(video, const(rng, 3, 2, 2, 2, 2), channels=3, kernel_size=(2, 2, 2)),
        relay.nn.dense(relay.nn.batch_flatten(x), const(rng, 7, 120)),
        relay.nn.batch_matmul(row, row, transpose_b=True),
        relay.nn.bias_add(x, const(rng, 4)),
        relay.nn.batch_norm(x, *sums)[0],
        relay.nn.max_pool2d(x, (3, 3), (2, 2), padding=(1, 1), ceil_mode=True),
        relay.nn.avg_pool2d(x, (2, 2), (2, 2), padding=(0, 0, 1, 1)),
        relay.nn.max_pool3d(video, (2, 2, 2), (1, 1, 1)),
        relay.nn.avg_pool3d(video, (2, 2, 2), (2, 2, 2)),
        relay.nn.global_max_pool2d(x),
        relay.nn.global_avg_pool2d(x),
        relay.nn.adaptive_max_pool2d(x, (1, 1)),
        relay.nn.adaptive_avg_pool2d(x, (1, 1)),
    ]


def test_every_operator_that_tvm_offloads_runs_and_agrees_with_llvm(
    rng: np.random.Generator,
) -> None:
    x, y = (relay.var(name, shape=MAP) for name in "xy")
    video = relay.var("video", shape=(2, 2, 3, 4, 3))
    data = {
        "x": positive(rng, *MAP),
        "y": positive(rng, *MAP),
        "video": positive(rng, 2, 2, 3, 4, 3),
    }
    only_x = {"x": data["x"]}
    names = check(elementwise(x, y), {"x": data["x"], "y": data["y"]})
    names |= check(reductions_and_layout(x), only_x)
    names |= check(windows(x, video, rng), {"x": data["x"], "video": data["video"]})
    table = json.loads((Path(__file__).parent / "tensorrt_operators.json").read_text())
    # opt_level 3 turns bias_add into add before it is partitioned.
    assert names | {"nn.bias_add"} >= set(table["offloaded"]), set(table["offloaded"]) - names


def test_repeated_arguments_tuples_and_identities(rng: np.random.Generator) -> None:
    x, y = (relay.var(name, shape=MAP) for name in "xy")
    doubled = relay.add(x, x)
    names = check(
        [
            doubled,
            relay.concatenate([x, y, x], axis=1),
            relay.subtract(doubled, y),
            relay.concatenate(list(relay.split(doubled, 2, axis=1)), axis=2),
        ],
        {"x": positive(rng, *MAP), "y": positive(rng, *MAP)},
    )
    assert names >= {"add", "concatenate", "subtract", "split"}


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 2, 3)])
def test_ranks_and_scalars(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    x = relay.var("x", shape=shape)
    outputs = [
        relay.exp(relay.multiply(x, relay.const(0.5, "float32"))),
        relay.sum(x, axis=list(range(len(shape)))),
    ]
    check(outputs, {"x": positive(rng, *shape)}, implicit=False)


def test_float16_is_computed_and_returned_as_float16(rng: np.random.Generator) -> None:
    x = relay.var("x", shape=MAP, dtype="float16")

    def half(*shape: int) -> relay.Constant:
        return relay.const(positive(rng, *shape).astype("float16"))

    out = relay.nn.conv2d(x, half(3, 4, 1, 1), channels=3, kernel_size=(1, 1), out_dtype="float16")
    out = relay.nn.batch_norm(out, half(3), half(3), half(3), half(3))[0]
    names = check([relay.nn.relu(out)], {"x": positive(rng, *MAP).astype("float16")}, use_fp16=True)
    assert names >= {"nn.conv2d", "nn.batch_norm", "nn.relu"}


def test_a_convolution_over_nhwc_is_taken(rng: np.random.Generator) -> None:
    """In TVM 0.16 only at opt_level 3, below which its partitioner converts no layout."""
    x = relay.var("x", shape=(1, 8, 8, 4))
    layouts = {"data_layout": "NHWC", "kernel_layout": "HWIO"}
    out = relay.nn.conv2d(x, const(rng, 3, 3, 4, 5), channels=5, kernel_size=(3, 3), **layouts)
    assert "nn.conv2d" in check([out], {"x": positive(rng, 1, 8, 8, 4)})


def small(rng: np.random.Generator, shape: tuple[int, ...] = MAP) -> relay.Expr:
    x = relay.var("x", shape=shape)
    out = relay.nn.conv2d(x, const(rng, 3, 4, 3, 3), channels=3, kernel_size=(3, 3))
    return relay.nn.relu(out)


@pytest.mark.parametrize(
    ("option", "variables", "half"),
    [
        (False, {}, False),
        (True, {}, True),
        (False, {"TVM_TENSORRT_USE_FP16": "1"}, True),
        (True, {"TVM_DLA_PRECISION": "fp32"}, False),
    ],
)
def test_fp16_is_computed_where_it_is_asked_for(
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    option: bool,
    variables: dict[str, str],
    half: bool,
) -> None:
    network, data = small(rng), positive(rng, *MAP)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    want = evaluate(module_of([network]), {"x": data})[0]
    _, built = build(module_of([network]), use_fp16=option)
    got = run(built, {"x": data})[0]
    assert np.array_equal(got, got.astype("float16").astype("float32")) == half
    # 36 products of rounded operands, and the rounding of the sum: units of 2^-11.
    tolerance = 3 * 2**-11 * np.abs(want).max() if half else 1e-5
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=tolerance)


def test_int8_is_calibrated_by_the_first_runs(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TVM_TENSORRT_USE_INT8", "1")
    monkeypatch.setenv("TENSORRT_NUM_CALI_INT8", "2")
    # Magnitudes around zero: of data that keep away from it, the entropy method finds no range.
    shape = (2, 4, 20, 20)
    network = small(rng, shape)
    rows = [rng.standard_normal(shape).astype("float32") for _ in range(3)]
    mod = module_of([network])
    _, built = build(module_of([network]))
    executor = graph_executor.GraphModule(built["default"](tvm.cpu()))
    for index, data in enumerate(rows):
        executor.run(x=data)
        got = executor.get_output(0).numpy()
        want = evaluate(mod, {"x": data})[0]
        close = np.allclose(got, want, rtol=1e-5, atol=1e-5)
        assert close == (index < 2), f"run {index}"
    # After them, outputs are steps of one scale.
    step = np.diff(np.unique(got)).min()
    np.testing.assert_allclose(got / step, np.round(got / step), atol=1e-2)
    assert np.abs(got - want).mean() < 0.05 * np.abs(want).mean()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TVM_TENSORRT_USE_INT8": "1"}, "TENSORRT_NUM_CALI_INT8"),
        ({"TVM_TENSORRT_USE_FP16": "maybe"}, "TVM_TENSORRT_USE_FP16 is `maybe`"),
    ],
)
def test_variables_that_cannot_be_are_refused_by_name(
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _, built = build(module_of([small(rng)]))
    with pytest.raises(tvm.TVMError, match=message):
        run(built, {"x": positive(rng, *MAP)})


def test_variables_without_effect_are_named_once(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TVM_TENSORRT_USE_FP61", "1")
    monkeypatch.setenv("TVM_TENSORRT_CACHE_DIR", "/nowhere")
    for _ in range(2):
        _, built = build(module_of([small(rng)]))
        run(built, {"x": positive(rng, *MAP)})
    said = capfd.readouterr().err
    assert said.count("not heeded: TVM_TENSORRT_USE_FP61") == 1
    assert said.count("not heeded: TVM_TENSORRT_CACHE_DIR") == 1


def test_a_saved_module_is_loaded_by_a_stock_tvm(tmp_path: Path, rng: np.random.Generator) -> None:
    x = relay.var("x", shape=MAP)
    conv = relay.nn.conv2d(x, const(rng, 3, 4, 3, 3), channels=3, kernel_size=(3, 3))
    mod = module_of([relay.nn.relu(conv)])
    data = positive(rng, *MAP)
    want = evaluate(mod, {"x": data})[0]
    _, built = build(mod)
    built.export_library(str(tmp_path / "net.so"))
    loaded = tvm.runtime.load_module(str(tmp_path / "net.so"))
    kinds = [module.type_key for module in _all(loaded)]
    assert "tensorrt" in kinds
    network = next(module for module in _all(loaded) if module.type_key == "tensorrt")
    graph = json.loads(network.get_source("json"))
    assert [n["name"] for n in graph["nodes"] if n["op"] == "kernel"] == [
        "tensorrt.nn.conv2d",
        "tensorrt.nn.relu",
    ]
    np.save(tmp_path / "x.npy", data)
    done = command(sys.executable, "-c", STOCK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want, rtol=1e-5, atol=1e-5)


def _all(module: Any) -> list[Any]:
    return [module, *(m for imported in module.imported_modules for m in _all(imported))]


NAMES = [
    "relay.ext.tensorrt",
    "relay.op.is_tensorrt_runtime_enabled",
    "relay.op.get_tensorrt_version",
    "relay.ext.tensorrt.is_runtime_enabled",
    "relay.ext.tensorrt.get_version",
    "runtime.tensorrt_runtime_create",
    "runtime.module.loadbinary_tensorrt",
]


def test_all_names_are_there() -> None:
    assert [name for name in NAMES if tvm.get_global_func(name, True) is None] == []
    assert tensorrt.is_tensorrt_runtime_enabled()
    for name in NAMES:
        if "version" in name:
            assert len(tvm.get_global_func(name)()) == 3
    kind = tvm.target.Target({"kind": "tensorrt", "use_fp16": True}).attrs
    assert int(kind["max_workspace_size"]) == 1 << 30
    assert "relay.ext.tensorrt.options" in tvm.ir.transform.PassContext.list_configs()


def test_names_that_tvm_has_stay_tvms() -> None:
    script = f"""
import ctypes, tvm
tvm.register_func("relay.ext.tensorrt", lambda function: None)
tvm.register_func("relay.op.get_tensorrt_version", lambda: tvm.runtime.convert([7, 0, 0]))
tvm.register_func("runtime.tensorrt_runtime_create", lambda *arguments: "mine")
for name in ["{library.RUNTIME}", "{library.COMPILE}"]:
    ctypes.CDLL("{library.DIRECTORY}/" + name, ctypes.RTLD_GLOBAL)
assert [int(v) for v in tvm.get_global_func("relay.op.get_tensorrt_version")()] == [7, 0, 0]
assert tvm.get_global_func("runtime.tensorrt_runtime_create")("a", "b", []) == "mine"
assert tvm.get_global_func("relay.ext.tensorrt")("any") is None
"""
    done = command(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr


def test_a_graph_that_cannot_run_is_refused_by_name() -> None:
    create = tvm.get_global_func("runtime.tensorrt_runtime_create")
    with pytest.raises(tvm.TVMError, match="JSON graph cannot be read"):
        create("net", "{", [])
    shape = [[[1, 2]]]
    types = {"dtype": [["float32"]], "shape": shape}
    kernel = {"op": "kernel", "name": "tensorrt.nn.unheard_of", "inputs": [[0, 0, 0]]}
    graph = {
        "nodes": [{"op": "input", "name": "x", "attrs": types}, {**kernel, "attrs": types}],
        "arg_nodes": [0],
        "heads": [[1, 0, 0]],
        "node_row_ptr": [0, 1, 2],
    }
    module = create("net", json.dumps(graph), [])
    arrays = [tvm.nd.array(np.zeros((1, 2), "float32")) for _ in range(2)]
    with pytest.raises(tvm.TVMError, match="operator nn.unheard_of is not one that tvm-dla takes"):
        module["net"](*arrays)
