"""Which forms of each operator the target `dla` takes, and why not the others; and that they agree
with TVM's own build and with ONNX Runtime on the original model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import tvm
from conftest import const, evaluate, offloaded
from onnx import TensorProto, helper
from tvm import relay

import tvm_dla
from tvm_dla import annotate
from tvm_dla.options import canonical

X = (2, 4, 6, 6)
VIDEO = (1, 2, 3, 4, 3)


def var(shape: tuple[int, ...], dtype: str = "float32") -> relay.Var:
    return relay.var("x", shape=shape, dtype=dtype)


def weight(*shape: int) -> relay.Constant:
    return const(np.random.default_rng(1), *shape)


class Case(NamedTuple):
    """`reason` is part of why TVM keeps the call; empty when it is taken."""

    call: Callable[[], Any]
    reason: str
    why: str


def conv1d(**attrs: Any) -> Any:
    return relay.nn.conv1d(var((1, 4, 9)), weight(3, 4, 3), channels=3, kernel_size=3, **attrs)


def conv2d(**attrs: Any) -> Any:
    return relay.nn.conv2d(var(X), weight(3, 4, 3, 3), channels=3, kernel_size=(3, 3), **attrs)


def deconv2d(shape: tuple[int, ...] = (4, 3, 3, 3), **attrs: Any) -> Any:
    kernel = weight(*shape)
    return relay.nn.conv2d_transpose(var(X), kernel, channels=3, kernel_size=(3, 3), **attrs)


def deconv3d(**attrs: Any) -> Any:
    kernel = weight(2, 3, 2, 2, 2)
    return relay.nn.conv3d_transpose(var(VIDEO), kernel, channels=3, kernel_size=(2, 2, 2), **attrs)


def pool2d(op: Any = relay.nn.avg_pool2d, **attrs: Any) -> Any:
    return op(var(X), pool_size=(3, 3), **attrs)


def slices(begin: list[int], end: list[int], strides: list[int], **attrs: Any) -> Any:
    return relay.strided_slice(var(X), begin, end, strides, **attrs)


def resize(**attrs: Any) -> Any:
    given: dict[str, Any] = {"size": (12, 9), "layout": "NCHW", **attrs}
    return relay.image.resize2d(var(X), given.pop("size"), **given)


def norm(op: Any, count: int, **attrs: Any) -> Any:
    called = op(var(X), *(weight(4) for _ in range(count)), **attrs)
    return called[0] if count == 4 else called


CASES = [
    Case(lambda: conv1d(padding=(0, 2)), "", "the right pad alone"),
    Case(
        lambda: relay.nn.conv1d(
            var((1, 9, 4)), weight(3, 4, 3), data_layout="NWC", kernel_layout="WIO"
        ),
        "",
        "channels last",
    ),
    Case(
        lambda: relay.nn.conv2d(
            var((1, 2, 8, 8, 2)),
            weight(3, 2, 3, 3, 2, 1),
            channels=3,
            kernel_size=(3, 3),
            data_layout="NCHW2c",
            kernel_layout="OIHW2i1o",
        ),
        "data_layout is `NCHW2c`, not NCHW in any order",
        "channels in blocks",
    ),
    Case(lambda: conv2d(padding=(1, 0, 2, 1), strides=(2, 1), dilation=(1, 2)), "", "all of it"),
    Case(lambda: relay.nn.conv2d(var(X), var((3, 4, 3, 3))), "not constants", "computed kernel"),
    Case(
        lambda: relay.nn.conv2d(
            var(X), weight(4, 2, 3, 3), groups=4, channels=8, kernel_size=(3, 3)
        ),
        "",
        "depthwise, outputs per channel second",
    ),
    Case(lambda: deconv2d(strides=(2, 2), padding=(1, 1), output_padding=(1, 1)), "", "doubling"),
    Case(lambda: deconv2d((3, 4, 3, 3), kernel_layout="OIHW"), "", "outputs first"),
    Case(lambda: deconv2d(dilation=(2, 2)), "dilation is [2, 2], not 1", "dilated"),
    Case(lambda: deconv3d(strides=(2, 2, 2), output_padding=(1, 1, 1)), "", "doubling"),
    Case(lambda: relay.nn.bias_add(var(X), weight(6), axis=-1), "", "the last axis"),
    Case(lambda: relay.nn.bias_add(var(X), relay.var("b", shape=(4,))), "", "a computed bias"),
    Case(lambda: pool2d(ceil_mode=True, padding=(1, 1), count_include_pad=True), "", "ceil"),
    Case(lambda: pool2d(layout="NHWC"), "", "channels last"),
    Case(lambda: pool2d(relay.nn.max_pool2d, dilation=(2, 2)), "", "dilated"),
    Case(lambda: norm(relay.nn.batch_norm, 4, scale=False, center=False), "", "neither counts"),
    Case(lambda: norm(relay.nn.layer_norm, 2, axis=1), "", "channels"),
    Case(lambda: relay.nn.softmax(var(X), axis=0), "", "over the batch"),
    Case(lambda: relay.sum(var(X)), "", "everything, to a scalar"),
    Case(lambda: relay.max(var(X), axis=1, exclude=True), "", "all other axes"),
    Case(lambda: slices([0, 1, 0, -4], [2, 3, 6, 6], [1, 1, 2, 3]), "", "a bound from the end"),
    Case(lambda: slices([0, 1], [-1, 2], [1], slice_mode="size"), "", "sizes"),
    Case(lambda: slices([0, 3], [2, 0], [1, -1]), "", "backwards"),
    Case(lambda: relay.split(var(X), [1, 3], axis=1), "", "indices"),
    Case(lambda: relay.nn.pad(var(X), [[0, 0], [0, 0], [1, 0], [0, 2]]), "", "an integer zero"),
    Case(
        lambda: relay.nn.pad(var(X), [[0, 0], [0, 0], [1, 1], [1, 1]], pad_value=-np.inf),
        "",
        "less than any value",
    ),
    Case(
        lambda: relay.nn.pad(var(X), [[0, 0], [0, 0], [1, 1], [1, 1]], pad_mode="edge"),
        "",
        "edges",
    ),
    Case(lambda: relay.squeeze(var((2, 1, 3, 1))), "", "all axes of one"),
    Case(lambda: relay.layout_transform(var(X), "NCHW", "NHWC"), "", "a permutation"),
    Case(lambda: relay.layout_transform(var(X), "NCHW", "NCHW4c"), "is no permutation", "blocks"),
    Case(
        lambda: resize(method="linear", coordinate_transformation_mode="half_pixel"), "", "linear"
    ),
    Case(lambda: resize(method="cubic"), "method is `cubic`", "cubic"),
    Case(
        lambda: resize(
            size=(16, 16), method="nearest_neighbor", coordinate_transformation_mode="align_corners"
        ),
        "",
        "no element lies half way",
    ),
    Case(
        lambda: resize(
            size=(11, 11), method="nearest_neighbor", coordinate_transformation_mode="align_corners"
        ),
        "half way between two",
        "ties, whose rounding depends on TVM",
    ),
    Case(lambda: relay.nn.upsampling(var(X), 2, 2, align_corners=False), "", "upsampling"),
    Case(lambda: relay.exp(var(X, "float16")), "", "half precision"),
    Case(lambda: relay.exp(var(X, "float64")), "float64, not float32 or float16", "double"),
    Case(lambda: relay.add(var(X), relay.var("s", shape=())), "", "a scalar"),
    Case(lambda: relay.abs(var((3,))), "", "one dimension"),
    Case(lambda: relay.cumsum(var(X)), "operator cumsum is not one that tvm-dla takes", "unknown"),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{c.why}" for n, c in enumerate(CASES)])
def test_each_form_is_taken_or_refused_with_its_reason(case: Case) -> None:
    expr = case.call()
    expr = expr.astuple() if isinstance(expr, relay.expr.TupleWrapper) else expr
    function = relay.Function(relay.analysis.free_vars(expr), expr)
    mod = tvm.relay.transform.InferType()(tvm.IRModule.from_expr(function))
    call = mod["main"].body
    call = call.tuple_value if isinstance(call, relay.TupleGetItem) else call
    reason = annotate.reason(call, canonical({}))
    assert case.reason in reason
    assert bool(reason) == bool(case.reason), reason


def test_the_operators_that_tvm_never_offloads_are_taken_and_agree() -> None:
    x, video = var(X), relay.var("video", shape=VIDEO)
    pooled = relay.nn.global_avg_pool2d(relay.nn.relu(x))
    outputs = [
        relay.exp(relay.squeeze(pooled, axis=[2, 3])),
        relay.exp(relay.nn.pad(x, [[0, 0], [0, 0], [1, 0], [0, 2]])),
        norm(lambda _, *weights: relay.nn.layer_norm(x, *weights, axis=1), 2),
        relay.nn.conv2d_transpose(
            x, weight(4, 3, 3, 3), channels=3, kernel_size=(3, 3), strides=(2, 2), padding=(1, 1)
        ),
        relay.nn.conv3d_transpose(
            video, weight(2, 3, 2, 2, 2), channels=3, kernel_size=(2, 2, 2), strides=(2, 2, 2)
        ),
        relay.image.resize2d(x, (9, 11), method="linear", layout="NCHW"),
        relay.nn.upsampling(x, 2, 2),
        *relay.split(relay.exp(x), 2, axis=1),
    ]
    body = relay.Tuple(outputs)
    mod = tvm.IRModule.from_expr(relay.Function([x, video], body))
    rng = np.random.default_rng(2)
    inputs = {
        "x": rng.standard_normal(X).astype("float32"),
        "video": rng.standard_normal(VIDEO).astype("float32"),
    }
    want = evaluate(mod, inputs)
    partitioned = tvm_dla.partition_for_dla(mod)
    table = json.loads((Path(__file__).parent / "tensorrt_operators.json").read_text())
    assert offloaded(partitioned) >= set(table["never offloaded"])
    got = evaluate(partitioned, inputs)
    for index, (ours, theirs) in enumerate(zip(got, want)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=f"output {index}")


NODES: list[tuple[str, list[str], dict[str, Any]]] = [
    *((op, ["x"], {}) for op in ["Exp", "Log", "Sqrt", "Abs", "Neg", "Floor", "Ceil", "Erf"]),
    *((op, ["x"], {}) for op in ["Sin", "Cos", "Atan", "Sigmoid", "Tanh", "Relu", "Flatten"]),
    *((op, ["x", "x2"], {}) for op in ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"]),
    *((f"Reduce{op}", ["x"], {"axes": [2, 3]}) for op in ["Prod", "Max", "Min", "Mean"]),
    ("LeakyRelu", ["x"], {"alpha": 0.2}),
    ("Softmax", ["x"], {"axis": 1}),
    ("Transpose", ["x"], {"perm": [0, 2, 3, 1]}),
    ("Concat", ["x", "x2", "x"], {"axis": 1}),
    ("ConvTranspose", ["x", "deconv"], {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ("Conv", ["x", "conv"], {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ("AveragePool", ["x"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("MaxPool", ["x"], {"kernel_shape": [3, 3], "strides": [2, 2]}),
    ("GlobalMaxPool", ["x"], {}),
    ("MatMul", ["sequence", "sequence2"], {}),
]


def test_an_onnx_model_of_many_operators_agrees_with_onnx_runtime(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    shapes = {"x": X, "x2": X, "sequence": (2, 3, 4), "sequence2": (2, 4, 5)}
    inputs = {name: rng.uniform(0.1, 1, shape).astype("float32") for name, shape in shapes.items()}
    weights = {"deconv": (4, 3, 3, 3), "conv": (3, 4, 3, 3)}

    def tensor(name: str, shape: tuple[int, ...] | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    named = [(f"y{index}", *node) for index, node in enumerate(NODES)]
    graph = helper.make_graph(
        [helper.make_node(op, sources, [y], **attrs) for y, op, sources, attrs in named],
        "many",
        [tensor(name, shape) for name, shape in shapes.items()],
        [tensor(y, None) for y, *_ in named],
        [
            onnx.numpy_helper.from_array((rng.standard_normal(s) * 0.2).astype("float32"), name)
            for name, s in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    want = onnxruntime.InferenceSession(model.SerializeToString()).run(None, inputs)
    mod, params = relay.frontend.from_onnx(model, shapes, freeze_params=True)
    got = evaluate(tvm_dla.partition_for_dla(mod, params), inputs)
    for (y, op, *_), ours, theirs in zip(named, got, want):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=f"{y} ({op})")
