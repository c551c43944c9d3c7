"""Models with channels last, as exporters write them: transposes vanish or go to the end.

The numbers are TVM's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np
import onnx
import pytest
import tflite
import tvm
from conftest import LLVM, command, evaluate, program, tvmc_dla
from onnx import TensorProto, helper, numpy_helper
from tflite_model import TfliteModel
from tvm import relay

import tvm_dla

LAST, FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


class Net:
    """An ONNX model as tf2onnx exports it: channels last, but around convolutions."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def constant(self, values: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *shape: int) -> str:
        return self.constant((self.rng.standard_normal(shape) * 0.2).astype("float32"))

    def conv(self, x: str, inputs: int, outputs: int, side: int = 3) -> str:
        pads = [side // 2] * 4
        x = self.add("Transpose", x, perm=FIRST)
        x = self.add("Conv", x, self.weight(outputs, inputs, side, side), pads=pads)
        return self.add("Transpose", x, perm=LAST)

    def module(self, inputs: dict[str, tuple[int, ...]], *outputs: str) -> tvm.IRModule:
        ends = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs]
        starts = [helper.make_tensor_value_info(i, TensorProto.FLOAT, s) for i, s in inputs.items()]
        graph = helper.make_graph(self.nodes, "net", starts, ends, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        mod, params = relay.frontend.from_onnx(model, inputs, freeze_params=True)
        mod["main"] = relay.build_module.bind_params_by_name(mod["main"], params)
        return mod


IMAGE = {"x": (1, 8, 6, 3)}


def normalised_residual(net: Net) -> tvm.IRModule:
    x = net.add("Sub", "x", net.constant(np.float32([0.4, 0.5, 0.6])))
    x = net.add("Div", x, net.constant(np.float32([0.2, 0.3, 0.25])))
    a = net.add("Relu", net.add("Add", net.conv(x, 3, 4), net.weight(4)))
    b = net.add("Add", net.conv(a, 4, 4), a)
    return net.module(IMAGE, net.conv(net.add("Relu", b), 4, 5))


def branches(net: Net) -> tvm.IRModule:
    joined = net.add("Concat", net.conv("x", 3, 2), net.conv("x", 3, 3, 1), "x", axis=3)
    return net.module(IMAGE, net.conv(joined, 8, 4))


def squeeze_excite(net: Net) -> tvm.IRModule:
    y = net.conv("x", 3, 4)
    mean = net.add("ReduceMean", y, axes=[1, 2], keepdims=0)
    mean = net.add("Reshape", mean, net.constant(np.int64([1, 1, 1, 4])))
    scale = net.add("Sigmoid", net.conv(mean, 4, 4, 1))
    return net.module(IMAGE, net.conv(net.add("Mul", y, scale), 4, 4))


def two_inputs(net: Net) -> tvm.IRModule:
    y = net.add("Add", net.conv("x", 3, 4), net.conv("z", 2, 4))
    return net.module({**IMAGE, "z": (1, 8, 6, 2)}, net.conv(y, 4, 4))


def classifier(net: Net) -> tvm.IRModule:
    y = net.conv("x", 3, 4)
    flat = net.add("Reshape", y, net.constant(np.int64([1, -1])))
    return net.module(IMAGE, net.add("MatMul", flat, net.weight(192, 5)))


def transposed_output(net: Net) -> tvm.IRModule:
    y = net.conv("x", 3, 4)
    return net.module(IMAGE, y, net.add("Transpose", y, perm=FIRST))


def box_heads(net: Net) -> tvm.IRModule:
    y = net.add("Relu", net.conv("x", 3, 8))
    a = net.add("Reshape", net.conv(y, 8, 8), net.constant(np.int64([1, -1, 4])))
    b = net.add("Reshape", net.conv(y, 8, 4), net.constant(np.int64([1, -1, 4])))
    return net.module(IMAGE, net.add("Concat", a, b, axis=1))


def relay_operators(net: Net) -> tvm.IRModule:
    """Everything over maps that Relay writes with channels last."""
    rng = net.rng

    def const(*shape: int) -> relay.Constant:
        return relay.const((rng.standard_normal(shape) * 0.2).astype("float32"))

    def conv(x: relay.Expr, kernel: relay.Expr, **attrs: Any) -> relay.Expr:
        given = {"kernel_layout": "HWIO", "kernel_size": (3, 3), "padding": (1, 1), **attrs}
        return relay.nn.conv2d(x, kernel, data_layout="NHWC", **given)

    x = relay.var("x", shape=(1, 8, 6, 3))
    y = conv(x, const(3, 3, 3, 4), channels=4)
    y = relay.nn.bias_add(y, const(4), axis=3)
    y = conv(y, const(3, 3, 4, 1), channels=4, groups=4, kernel_layout="HWOI")
    y = conv(y, const(3, 3, 4, 2), channels=8, groups=4, kernel_layout="HWOI")
    y = conv(y, const(3, 3, 4, 6), channels=6, groups=2)
    y = relay.nn.max_pool2d(y, (3, 3), (1, 1), padding=(1, 1), layout="NHWC")
    y = relay.nn.avg_pool2d(y, (2, 2), (2, 2), layout="NHWC")
    y = relay.nn.prelu(y, const(6), axis=3)
    y = relay.image.resize2d(y, size=(8, 6), layout="NHWC", method="linear")
    y = relay.nn.upsampling(y, 2, 2, layout="NHWC")
    y = relay.nn.lrn(y, size=3, axis=3)
    z = relay.nn.global_avg_pool2d(y, layout="NHWC")
    return tvm.IRModule.from_expr(relay.Function([x], relay.add(y, z)))


class Case(NamedTuple):
    build: Callable[[Net], tvm.IRModule]
    transposes: int
    suffix: bool
    why: str


CASES = [
    Case(normalised_residual, 0, False, "arithmetic of one value per channel, and a residual sum"),
    Case(branches, 0, False, "a concatenation along the last axis"),
    Case(squeeze_excite, 0, False, "a reduction over the map, a reshape, and values per channel"),
    Case(two_inputs, 0, False, "both inputs leave it to the caller"),
    Case(classifier, 0, True, "the weights of the product take on the order"),
    Case(transposed_output, 1, True, "one map in two orders is two arrays"),
    Case(box_heads, 2, True, "places and channels in one axis, in two heads"),
    Case(relay_operators, 0, False, "everything that Relay writes with channels last"),
]


def described(mod: tvm.IRModule) -> dict[str, Any]:
    """What the plugin says of the only region."""
    (region,) = [f for name, f in mod.functions.items() if name.name_hint != "main"]
    describe = tvm.get_global_func("tvm_dla.describe")
    answer: dict[str, Any] = json.loads(str(describe(region, str(region.attrs["dla_options"]))))
    return answer


def inputs_of(mod: tvm.IRModule) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    params = relay.transform.InferType()(mod)["main"].params
    shapes = {var.name_hint: [int(d) for d in var.checked_type.shape] for var in params}
    return {name: rng.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.build.__name__)
def test_transposes_vanish_and_the_numbers_stay(case: Case) -> None:
    mod = case.build(Net())
    partitioned = tvm_dla.partition_for_dla(mod, chip="orin")
    report = described(partitioned)
    ops = [node["op"] for node in report["nodes"]]
    assert ops.count("transpose") == case.transposes, f"{case.why}: {ops}"
    first = report["nodes"][0]
    assert first["may_run_on_dla"], f"{case.why}: {first}"
    assert (report["suffix"]["nodes"] > 0) == case.suffix, f"{case.why}: {report['nodes']}"
    inputs = inputs_of(mod)
    for got, want in zip(evaluate(partitioned, inputs), evaluate(mod, inputs)):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=case.why)


def leading_pad(model: TfliteModel, rng: np.random.Generator) -> tuple[int, int]:
    x = model.tensor((1, 9, 9, 3))
    widths = model.tensor((4, 2), "int32", data=[[0, 0], [0, 1], [0, 1], [0, 0]])
    padded = model.operator("PAD", [x, widths], model.tensor((1, 10, 10, 3)))
    w = model.tensor((4, 3, 3, 3), data=rng.standard_normal((4, 3, 3, 3)) * 0.2)
    bias = model.tensor((4,), data=rng.standard_normal(4))
    y = model.tensor((1, 4, 4, 4))
    return x, model.operator("CONV_2D", [padded, w, bias], y, Padding=1, StrideH=2, StrideW=2)


def quantised(rng: np.random.Generator, kind: str, path: Path) -> Path:
    """A quantised convolution behind a QUANTIZE of float32 or uint8, or behind a PAD."""
    model = TfliteModel()
    steps = (0.05, 3)
    if kind == "pad":
        x = model.tensor((1, 8, 8, 3), "int8", steps)
        widths = model.tensor((4, 2), "int32", data=[[0, 0], [1, 1], [1, 1], [0, 0]])
        q = model.operator("PAD", [x, widths], model.tensor((1, 10, 10, 3), "int8", steps))
    else:
        given = ("uint8", (0.05, 131)) if kind == "uint8" else ("float32", None)
        x = model.tensor((1, 10, 10, 3), *given)
        q = model.operator("QUANTIZE", [x], model.tensor((1, 10, 10, 3), "int8", steps))
    w = model.tensor(
        (4, 3, 3, 3), "int8", ([0.01] * 4, 0), rng.integers(-127, 128, (4, 3, 3, 3)), axis=0
    )
    bias = model.tensor((4,), "int32", ([0.0005] * 4, 0), rng.integers(-99, 99, 4), axis=0)
    y = model.tensor((1, 8, 8, 4), "int8", (0.1, -5))
    options = {"Padding": 1, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    model.operator("CONV_2D", [q, w, bias], y, **options)
    return model.save(path, [x], [y])


def imported(path: Path, name: str, shape: tuple[int, ...], dtype: str) -> tvm.IRModule:
    model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
    mod, params = relay.frontend.from_tflite(model, {name: shape}, {name: dtype})
    mod["main"] = relay.build_module.bind_params_by_name(mod["main"], params)
    return mod


def test_a_tflite_model_with_a_leading_pad(tmp_path: Path) -> None:
    model = TfliteModel()
    x, y = leading_pad(model, np.random.default_rng(4))
    path = model.save(tmp_path / "pad.tflite", [x], [y])
    mod = imported(path, "t0", (1, 9, 9, 3), "float32")
    partitioned = tvm_dla.partition_for_dla(mod)
    report = described(partitioned)
    assert "transpose" not in [node["op"] for node in report["nodes"]]
    assert report["inputs"][0]["shape"] == [1, 9, 9, 3]
    assert report["inputs"][0]["network_shape"] == [1, 3, 9, 9]
    inputs = inputs_of(mod)
    (got,), (want,) = evaluate(partitioned, inputs), evaluate(mod, inputs)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("pad", "int8"), ("uint8", "uint8"), ("float32", "float32")]
)
def test_a_quantised_tflite_model_behind_a_pad_or_quantize(
    kind: str, dtype: str, tmp_path: Path
) -> None:
    path = quantised(np.random.default_rng(6), kind, tmp_path / "q.tflite")
    shape = (1, 8, 8, 3) if kind == "pad" else (1, 10, 10, 3)
    mod = imported(path, "t0", shape, dtype)
    partitioned = tvm_dla.partition_for_dla(mod, precision="int8")
    assert not tvm_dla.partition_report(partitioned).kept
    report = described(partitioned)
    assert "transpose" not in [node["op"] for node in report["nodes"]]
    assert report["prefix"]["macs"] > 0
    rng = np.random.default_rng(3)
    integers = rng.integers(-60, 60, shape)
    if dtype == "float32":
        x = (integers * 0.05).astype("float32")
    else:
        x = (integers + (131 if dtype == "uint8" else 3)).astype(dtype)
    (got,), (want,) = evaluate(partitioned, {"t0": x}), evaluate(mod, {"t0": x})
    assert got.dtype == want.dtype == np.int8
    assert np.abs(got.astype(int) - want.astype(int)).max() <= 1


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A model whose input and output have channels last, with rows and TVM's answer."""
    folder = tmp_path_factory.mktemp("last")
    model = TfliteModel()
    x, y = leading_pad(model, np.random.default_rng(4))
    path = model.save(folder / "pad.tflite", [x], [y])
    package = folder / "pad.tar"
    done = tvmc_dla("compile", path, "--target", f"dla, {LLVM}", "-o", package)
    assert done.returncode == 0, done.stderr
    rows = np.random.default_rng(8).standard_normal((3, 9, 9, 3)).astype("float32")
    mod = imported(path, "t0", (1, 9, 9, 3), "float32")
    want = np.concatenate([evaluate(mod, {"t0": row[None]})[0] for row in rows])
    return package, rows, want


def test_a_session_takes_either_order_and_answers_in_the_models(
    artifact: tuple[Path, Any, Any],
) -> None:
    package, rows, want = artifact
    session = tvm_dla.Session(package)
    assert session.describe()["inputs"][0]["shape"] == [1, 9, 9, 3]
    assert session.describe()["outputs"][0]["shape"] == [1, 4, 4, 4]
    for given in (rows, np.ascontiguousarray(rows.transpose(0, 3, 1, 2))):
        (got,) = session.run(given)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
    with pytest.raises(tvm_dla.TvmDlaError, match=r"\[N, 9, 9, 3\].*\[N, 3, 9, 9\]"):
        session.run(rows[:, :, :, :2])


def test_the_command_takes_either_order_too(
    artifact: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    package, rows, want = artifact
    np.save(tmp_path / "last.npy", rows)
    np.save(tmp_path / "first.npy", rows.transpose(0, 3, 1, 2).copy())
    for name in ("last.npy", "first.npy"):
        for word in ("run", "stream"):
            source = "--input" if word == "run" else "--source"
            given = [package, source, tmp_path / name, "--output", tmp_path / "y.npy"]
            done = command(program(), word, *given, "--precision", "fp32")
            assert done.returncode == 0, done.stderr
            got = np.load(tmp_path / "y.npy")
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=f"{word} {name}")
    said = command(program(), "inspect", package).stdout
    assert "[1, 9, 9, 3]" in said and "[1, 3, 9, 9]" in said
