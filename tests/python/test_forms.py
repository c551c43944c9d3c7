"""The same function in several exporters' spellings, as ONNX through TVM: the same operators on a
DLA, and ONNX Runtime's numbers."""

from __future__ import annotations

import warnings
from typing import Any, Callable, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import tvm
from conftest import evaluate
from onnx import TensorProto, helper, numpy_helper
from tvm import relay

import tvm_dla
from tvm_dla.inspect import inspect

pytestmark = pytest.mark.skipif(
    not tvm.__version__.startswith("0.9"),
    reason="spelled as TVM 0.9's front end does",
)

SHAPE = (1, 8, 12, 12)
TARGET = {"chip": "orin", "tensorrt": "10.3"}


class Net:
    """An ONNX graph under construction; tensors are names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def __call__(self, op: str, *operands: str, outputs: int = 1, **attrs: Any) -> Any:
        names = [f"t{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(op, list(operands), names, **attrs))
        return names if outputs > 1 else names[0]

    def constant(self, values: Any, dtype: str = "float32") -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, "int64")

    def noise(self, *shape: int) -> str:
        rng = np.random.default_rng(len(self.weights))
        return self.constant(rng.standard_normal(shape) * 0.3)

    def conv(self, x: str, inputs: int, outputs: int, side: int = 3) -> str:
        weights = self.noise(outputs, inputs, side, side)
        return str(self("Conv", x, weights, self.noise(outputs), pads=[side // 2] * 4))

    def model(self, y: str) -> onnx.ModelProto:
        def info(name: str, shape: Any) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

        inputs, outputs = [info("x", SHAPE)], [info(y, None)]
        graph = helper.make_graph(self.nodes, "forms", inputs, outputs, self.weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        made.ir_version = 8
        return made


Write = Callable[[Net, str], str]


class Case(NamedTuple):
    """What stands between two convolutions of 8 channels. All of it runs on a DLA as `ops`."""

    why: str
    write: Write
    ops: tuple[str, ...]


def excited(last: Callable[[Net, str], str]) -> Write:
    """Squeeze-and-excitation by Gemm; `last` brings the gate back to a map."""

    def write(n: Net, x: str) -> str:
        flat = n("Flatten", n("GlobalAveragePool", x))
        few = n("Relu", n("Gemm", flat, n.noise(2, 8), n.noise(2), transB=1))
        gate = n("Sigmoid", n("Gemm", few, n.noise(8, 2), n.noise(8), transB=1))
        return str(n("Mul", x, last(n, gate)))

    return write


def by_matmul(n: Net, x: str) -> str:
    mean = n("ReduceMean", x, axes=[2, 3], keepdims=0)
    few = n("Relu", n("Add", n("MatMul", mean, n.noise(8, 2)), n.noise(2)))
    gate = n("Sigmoid", n("Add", n.noise(8), n("MatMul", few, n.noise(2, 8))))
    return str(n("Mul", x, n("Unsqueeze", gate, n.ints(2, 3))))


def shuffled(n: Net, x: str) -> str:
    apart = n("Reshape", x, n.ints(1, 2, 4, 12, 12))
    return str(n("Reshape", n("Transpose", apart, perm=[0, 2, 1, 3, 4]), n.ints(1, 8, 12, 12)))


def repeated(n: Net, x: str) -> str:
    apart = n("Reshape", x, n.ints(1, 8, 12, 1, 12, 1))
    return str(n("Reshape", n("Expand", apart, n.ints(1, 8, 12, 2, 12, 2)), n.ints(1, 8, 24, 24)))


def tiled(n: Net, x: str) -> str:
    apart = n("Unsqueeze", x, n.ints(3, 5))
    return str(n("Reshape", n("Tile", apart, n.ints(1, 1, 1, 2, 1, 2)), n.ints(1, 8, 24, 24)))


def gathered(n: Net, x: str) -> str:
    twice = n.ints(*(i // 2 for i in range(24)))
    return str(n("Gather", n("Gather", x, twice, axis=2), twice, axis=3))


def hard_swish(n: Net, x: str) -> str:
    three, six = n.constant(3.0), n.constant(6.0)
    clip = n("Clip", x, n.constant(-3.0), three)
    return str(n("Div", n("Mul", x, n("Add", clip, three)), six))


def where(compare: str, slopes: Any, first: bool) -> Write:
    """`first`: whether the comparison chooses x itself."""

    def write(n: Net, x: str) -> str:
        condition = n(compare, x, n.constant(0.0))
        below = n("Mul", n.constant(slopes), x)
        return str(n("Where", condition, *((x, below) if first else (below, x))))

    return write


def relu_by_where(n: Net, x: str) -> str:
    zero = n.constant(0.0)
    return str(n("Where", n("Greater", x, zero), x, zero))


def two_steps(n: Net, x: str) -> str:
    mean = n("ReduceMean", n("ReduceMean", x, axes=[3], keepdims=1), axes=[2], keepdims=1)
    return str(mean)


def over_a_line(n: Net, x: str) -> str:
    mean = n("ReduceMean", n("Reshape", x, n.ints(0, 8, -1)), axes=[2], keepdims=0)
    return str(n("Reshape", mean, n.ints(-1, 8, 1, 1)))


def with_slopes(*shape: int) -> Write:
    return lambda n, x: str(n("PRelu", x, n.constant(np.full(shape, 0.25))))


def gated_by_places(keepdims: int) -> Write:
    """Spatial attention as CBAM has it."""

    def write(n: Net, x: str) -> str:
        pooled = [n(op, x, axes=[1], keepdims=keepdims) for op in ("ReduceMean", "ReduceMax")]
        if not keepdims:
            pooled = [n("Unsqueeze", y, n.ints(1)) for y in pooled]
        gate = n(
            "Sigmoid", n("Conv", n("Concat", *pooled, axis=1), n.noise(1, 2, 7, 7), pads=[3] * 4)
        )
        return str(n("Mul", x, gate))

    return write


def between(low: float, high: float) -> Write:
    return lambda n, x: str(n("Clip", x, n.constant(low), n.constant(high)))


def limited(op: str, limit: float) -> Write:
    return lambda n, x: str(n(op, x, n.constant(limit)))


def enlarged(side: int, **attrs: Any) -> Write:
    def write(n: Net, x: str) -> str:
        return str(n("ConvTranspose", x, n.noise(8, 8, side, side), n.noise(8), **attrs))

    return write


SLOPES = np.linspace(0.1, 0.9, 8).reshape(8, 1, 1)
GAP = ("avg_pool2d", "global_avg_pool2d")
SWISH = ("multiply", "add", "clip", "multiply")

CASES = [
    Case("a mean in two steps", two_steps, GAP),
    Case("a mean over a line", over_a_line, GAP),
    Case("Gemm, then Reshape", excited(lambda n, g: n("Reshape", g, n.ints(1, 8, 1, 1))), ()),
    Case("Gemm, then Unsqueeze", excited(lambda n, g: n("Unsqueeze", g, n.ints(2, 3))), ()),
    Case("MatMul and Add", by_matmul, ()),
    Case("one slope, as a map", with_slopes(1, 1, 1, 1), ("leaky_relu",)),
    Case("one slope", with_slopes(1), ("leaky_relu",)),
    Case("equal slopes per element", with_slopes(8, 12, 12), ("leaky_relu",)),
    Case(
        "slopes per channel, expanded",
        lambda n, x: n("PRelu", x, n("Expand", n.constant(SLOPES), n.ints(8, 12, 12))),
        ("prelu",),
    ),
    Case(
        "slopes per element",
        lambda n, x: n("PRelu", x, n.noise(8, 12, 12)),
        ("relu", "multiply", "relu", "multiply", "add"),
    ),
    Case("a shuffle goes into the weights", shuffled, ()),
    Case(
        "a shuffle by Gather",
        lambda n, x: n("Gather", x, n.ints(0, 4, 1, 5, 2, 6, 3, 7), axis=1),
        (),
    ),
    Case(
        "every second row and column",
        lambda n, x: n("Slice", x, n.ints(0, 0), n.ints(12, 12), n.ints(2, 3), n.ints(2, 2)),
        ("max_pool2d",),
    ),
    Case("Expand repeats", repeated, ("resize2d",)),
    Case("Tile repeats", tiled, ("resize2d",)),
    Case("Gather repeats", gathered, ("resize2d",)),
    Case("hard swish by a clip around zero", hard_swish, SWISH),
    Case("x > 0", where("Greater", 0.25, True), ("leaky_relu",)),
    Case("x < 0", where("Less", 0.25, False), ("leaky_relu",)),
    Case("x >= 0, slopes per channel", where("GreaterOrEqual", SLOPES, True), ("prelu",)),
    Case("x > 0 or zero", relu_by_where, ("relu",)),
    Case(
        "through double precision",
        lambda n, x: n("Cast", n("Cast", x, to=TensorProto.DOUBLE), to=TensorProto.FLOAT),
        (),
    ),
    Case("spatial attention", gated_by_places(1), ()),
    Case("spatial attention, the axis squeezed", gated_by_places(0), ()),
    Case("a clip around zero", between(-1.0, 1.0), ()),
    Case("a clip in small", between(0.0, 0.5), ()),
    Case("an upper limit", limited("Min", 6.0), ()),
    Case("a lower limit", limited("Max", -1.0), ()),
    Case("what is negative", limited("Min", 0.0), ()),
    Case("a deconvolution that doubles", enlarged(4, strides=[2, 2], pads=[1] * 4), ()),
    Case(
        "a deconvolution with an end",
        enlarged(3, strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
        (),
    ),
    Case(
        "padding wider than the window",
        lambda n, x: n("Conv", x, n.noise(8, 8, 3, 3), pads=[4, 3, 2, 1]),
        ("conv2d", "conv2d"),
    ),
    Case("a global minimum", lambda n, x: n("ReduceMin", x, axes=[2, 3], keepdims=1), ()),
    Case("a minimum by rows", lambda n, x: n("ReduceMin", x, axes=[3], keepdims=1), ()),
    Case(
        "a crop by negative padding",
        lambda n, x: n("Pad", x, n.ints(0, 0, -1, -2, 0, 0, -1, 0)),
        ("strided_slice",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.why for case in CASES])
def test_a_spelling_is_the_layers_that_it_means(case: Case) -> None:
    net = Net()
    y = net.conv(case.write(net, net.conv("x", 8, 8)), 8, 8)
    model = net.model(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mod, _ = relay.frontend.from_onnx(model, {"x": SHAPE}, freeze_params=True)
    report = inspect(mod, **TARGET)
    assert report["kept"] == []
    (network,) = report["networks"]
    refused = {
        node["op"]: node["reason"] for node in network["nodes"] if not node["may_run_on_dla"]
    }
    assert refused == {}
    ops = [node["op"] for node in network["nodes"]]
    if case.ops:
        assert ops[2:-2] == list(case.ops)
    x = (np.random.default_rng(5).standard_normal(SHAPE) * 2).astype("float32")
    want = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    got = evaluate(tvm_dla.partition_for_dla(mod, **TARGET), {"x": x})
    np.testing.assert_allclose(got[0], want[0], rtol=2e-5, atol=2e-5)


NUMBERS = [np.inf, -np.inf, -0.0, 1e-40, -1e-40, 3.4e38, -3.4e38, 1.0, -1.0]
LIMITS: dict[str, Write] = {
    "min": limited("Min", 6.0),
    "min zero": limited("Min", 0.0),
    "max": limited("Max", -1.0),
    "max zero": limited("Max", 0.0),
    "clip": between(-1.0, 1.0),
    "hard sigmoid": lambda n, x: str(n("HardSigmoid", x)),
    "leaky": lambda n, x: str(n("LeakyRelu", x, alpha=0.1)),
    "slopes by channel": lambda n, x: str(n("PRelu", x, n.noise(8, 1, 1))),
    "slopes by element": lambda n, x: str(n("PRelu", x, n.noise(8, 12, 12))),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_infinite_stays_so(name: str) -> None:
    net = Net()
    model = net.model(LIMITS[name](net, "x"))
    mod, _ = relay.frontend.from_onnx(model, {"x": SHAPE}, freeze_params=True)
    x = np.resize(np.array(NUMBERS, "float32"), SHAPE)
    want = evaluate(mod, {"x": x})
    got = evaluate(tvm_dla.partition_for_dla(mod, **TARGET), {"x": x})
    np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
