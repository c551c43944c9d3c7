"""Constants are folded without TVM's compiler, to what TVM's compiler makes of them."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np
import pytest
import tvm
from conftest import evaluate, offloaded
from tvm import relay

import tvm_dla
from tvm_dla import importing
from tvm_dla.fold import Folder, fold_constants

op = relay


def c(values: Any, dtype: str = "float32") -> relay.Constant:
    return relay.const(np.asarray(values, dtype), dtype)


RNG = np.random.default_rng(3)
CUBE = c(RNG.standard_normal((2, 3, 4)) * 3)
HALF = c(RNG.standard_normal((2, 3, 4)), "float16")
SIGNED = c([[-7, 7, -8], [8, -1, 5]], "int64")
DIVISOR = c([[2, -2, 3], [-3, 4, 5]], "int64")
BYTES = c(RNG.integers(0, 255, (2, 3, 4)), "uint8")
TRUTH = c([True, False, True], "bool")
OTHER = c([True, True, False], "bool")
IMAGE = c(RNG.standard_normal((1, 3, 4, 4)))


class Case(NamedTuple):
    expr: Any
    why: str


ELEMENTS = [
    Case(op.cast(HALF, "float32"), "weights of half size"),
    Case(op.cast(CUBE, "float16"), "and back"),
    Case(op.cast(CUBE, "int64"), "cut towards zero"),
    Case(op.cast(BYTES, "float32"), "weights in integers"),
    Case(op.cast(CUBE, "bool"), "all but zero"),
    Case(op.cast(TRUTH, "int32"), "truth as a number"),
    Case(op.divide(SIGNED, DIVISOR), "as in C"),
    Case(op.floor_divide(SIGNED, DIVISOR), "downwards"),
    Case(op.mod(SIGNED, DIVISOR), "the sign of the dividend"),
    Case(op.floor_mod(SIGNED, DIVISOR), "the sign of the divisor"),
    Case(op.add(BYTES, BYTES), "wraps around"),
    Case(op.subtract(CUBE, c(1.5)), "a scalar"),
    Case(op.multiply(CUBE, c(np.ones((3, 1)))), "broadcast"),
    Case(op.maximum(CUBE, c(0.5)), "the larger"),
    Case(op.minimum(CUBE, c(0.5)), "the smaller"),
    Case(op.power(op.abs(CUBE), c(-0.5)), "an inverse root"),
    Case(op.rsqrt(op.abs(CUBE)), "another"),
    Case(op.exp(CUBE), "a function"),
    Case(op.log(op.abs(CUBE)), "a function"),
    Case(op.sqrt(op.abs(CUBE)), "a function"),
    Case(op.sigmoid(CUBE), "a function"),
    Case(op.tanh(CUBE), "a function"),
    Case(op.atan(CUBE), "a function"),
    Case(op.sin(CUBE), "a function"),
    Case(op.cos(CUBE), "a function"),
    Case(op.negative(SIGNED), "integers too"),
    Case(op.sign(CUBE), "a step"),
    Case(op.floor(CUBE), "downwards"),
    Case(op.ceil(CUBE), "upwards"),
    Case(op.trunc(CUBE), "towards zero"),
    Case(op.round(c([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999997])), "halves away from zero"),
    Case(op.nn.relu(CUBE), "positive"),
    Case(op.clip(CUBE, -1.0, 2.0), "within bounds"),
    Case(op.clip(BYTES, 3, 100), "of bytes"),
    Case(op.clip(SIGNED, -5, 5), "64 bits"),
    Case(op.where(op.greater(CUBE, c(0.0)), CUBE, op.zeros_like(CUBE)), "a choice"),
    Case(op.logical_and(TRUTH, OTHER), "truth"),
    Case(op.logical_or(TRUTH, OTHER), "truth"),
    Case(op.logical_not(TRUTH), "truth"),
    Case(op.logical_xor(TRUTH, OTHER), "truth"),
    Case(op.equal(SIGNED, DIVISOR), "a comparison"),
    Case(op.not_equal(SIGNED, DIVISOR), "a comparison"),
    Case(op.less(SIGNED, DIVISOR), "a comparison"),
    Case(op.less_equal(SIGNED, DIVISOR), "a comparison"),
    Case(op.greater_equal(SIGNED, DIVISOR), "a comparison"),
    Case(op.isfinite(c([1, np.inf, np.nan])), "a test"),
    Case(op.isinf(c([1, np.inf, np.nan])), "a test"),
    Case(op.isnan(c([1, np.inf, np.nan])), "a test"),
]

SHAPES = [
    Case(op.reshape(CUBE, (0, -1)), "a side copied, a side left open"),
    Case(op.reshape(CUBE, (-4, 1, 2, -3)), "split and joined sides"),
    Case(op.expand_dims(CUBE, 1, 2), "two sides more"),
    Case(op.squeeze(c(np.ones((1, 3, 1))), [0]), "one side less"),
    Case(op.nn.batch_flatten(CUBE), "rows"),
    Case(op.transpose(CUBE, (2, 0, 1)), "an order"),
    Case(op.transpose(CUBE), "reversed"),
    Case(op.layout_transform(IMAGE, "NCHW", "NHWC"), "channels last"),
    Case(op.layout_transform(c(np.ones((1, 4, 2, 2))), "NCHW", "NCHW2c"), "TVM's, in blocks"),
    Case(op.concatenate([CUBE, CUBE], 1), "joined"),
    Case(op.stack([CUBE, CUBE], -1), "stacked"),
    Case(op.split(CUBE, 2, 2).astuple(), "equal parts"),
    Case(op.split(CUBE, (1, 2), 1).astuple(), "cuts"),
    Case(op.split(CUBE, 2, 2)[1], "one part"),
    Case(op.strided_slice(CUBE, [0, 1], [2, 3]), "a window"),
    Case(op.strided_slice(CUBE, [0, -2, 0], [2, 100, 4], [1, 1, 2]), "negative, too large, a step"),
    Case(op.strided_slice(CUBE, [0, 2, 3], [2, 0, 0], [1, -1, -2]), "backwards"),
    Case(op.strided_slice(CUBE, [1], [-1], axes=[2], slice_mode="size"), "to the end"),
    Case(op.strided_slice(CUBE, [1], [3], axes=[2]), "one axis"),
    Case(op.take(CUBE, c([1, 0, 9], "int64"), 2), "clipped"),
    Case(op.take(CUBE, c([-1, 7], "int32"), 2, mode="wrap"), "wrapped"),
    Case(op.take(CUBE, c(1, "int64"), 0, mode="fast"), "a single one"),
    Case(op.take(CUBE, c([3, 1], "int64")), "of all"),
    Case(op.gather(CUBE, 2, c(np.zeros((2, 3, 1)), "int64")), "by place"),
    Case(op.nn.pad(CUBE, ((0, 0), (1, 2), (0, 1)), 7.0), "a constant around it"),
    Case(op.nn.pad(CUBE, ((0, 0), (1, 1), (2, 1)), pad_mode="reflect"), "reflected"),
    Case(op.nn.pad(CUBE, ((0, 0), (1, 1), (2, 1)), pad_mode="edge"), "repeated"),
    Case(op.tile(CUBE, (2, 1, 3)), "tiled"),
    Case(op.repeat(CUBE, 2, 1), "repeated"),
    Case(op.reverse(CUBE, 1), "reversed"),
    Case(op.broadcast_to(c(np.ones((3, 1))), (2, 3, 4)), "repeated to a shape"),
    Case(op.arange(c(1.0), c(3.0), c(0.3)), "steps"),
    Case(op.arange(c(7, "int64"), c(1, "int64"), c(-2, "int64"), "int64"), "downwards"),
    Case(op.sum(CUBE, [1], keepdims=True), "a sum"),
    Case(op.mean(CUBE, [0], exclude=True), "a mean of all others"),
    Case(op.max(SIGNED), "of everything"),
    Case(op.min(CUBE, -1), "of the last"),
    Case(op.prod(SIGNED, 1), "a product"),
    Case(op.all(TRUTH), "truth"),
    Case(op.any(TRUTH), "truth"),
    Case(op.shape_of(CUBE, "int64"), "a shape"),
    Case(op.ndarray_size(CUBE, "int64"), "its size"),
]

# Here numpy and TVM's compiled operator differ, or numpy has none: TVM is asked.
ASKED = [
    Case(op.layout_transform(c(np.ones((1, 4, 2, 2))), "NCHW", "NCHW2c"), "a layout in blocks"),
    Case(op.nn.softmax(CUBE), "an operator that is rare on constants"),
    Case(op.erf(CUBE), "numpy has no such function"),
]


def typed(expr: Any) -> tvm.IRModule:
    return relay.transform.InferType()(tvm.IRModule.from_expr(relay.Function([], expr)))


def numbers(body: Any) -> list[np.ndarray]:
    fields = body.fields if isinstance(body, relay.Tuple) else [body]
    assert all(isinstance(field, relay.Constant) for field in fields), body
    return [field.data.numpy() for field in fields]


def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("TVM was asked")

    monkeypatch.setattr(relay.transform, "FoldConstantExpr", refuse)


@pytest.mark.parametrize("case", ELEMENTS + SHAPES + ASKED, ids=lambda case: case.why)
def test_a_folded_constant_is_what_tvm_makes_of_it(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    mod = typed(case.expr)
    want = numbers(relay.transform.FoldConstant()(typed(case.expr))["main"].body)
    asked = any(case.expr is other.expr for other in ASKED) or "blocks" in case.why
    if not asked:
        no_compiler(monkeypatch)
    got = numbers(fold_constants(mod)["main"].body)
    assert len(got) == len(want)
    for ours, theirs in zip(got, want):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape, case.why
        tolerance = 1e-3 if ours.dtype == np.float16 else 2e-6
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-7, err_msg=case.why)


def body_of(mod: tvm.IRModule) -> Any:
    return fold_constants(relay.transform.InferType()(mod))["main"].body


def test_what_depends_on_an_input_stays_and_is_shared() -> None:
    x = relay.var("x", shape=(1, 3, 4, 4))
    w = op.cast(c(np.ones((5, 3, 1, 1)), "float16"), "float32")
    y = op.nn.conv2d(x, w) + op.nn.conv2d(op.nn.relu(x), w)
    body = body_of(tvm.IRModule.from_expr(relay.Function([x], y)))
    weights = [arg.args[1] for arg in body.args]
    assert weights[0].same_as(weights[1]), "one constant, not one for each reader"
    assert isinstance(weights[0], relay.Constant)
    assert str(weights[0].data.dtype) == "float32"


@pytest.mark.parametrize(
    "bias",
    [
        op.broadcast_to(c(np.ones((1, 8, 1, 1))), (1, 8, 64, 64)),
        op.broadcast_to(op.cast(c(np.ones((8, 1, 1)), "float16"), "float32"), (1, 8, 64, 64)),
        op.ones((1, 8, 64, 64), "float32"),
        op.full(c(1.0), (1, 8, 64, 64), "float32"),
    ],
)
def test_a_repeated_constant_is_not_blown_up(bias: Any) -> None:
    x = relay.var("x", shape=(1, 8, 64, 64))
    body = body_of(tvm.IRModule.from_expr(relay.Function([x], x + bias)))
    (constant,) = [arg for arg in body.args if isinstance(arg, relay.Constant)]
    assert constant.data.numpy().size <= 8


def test_a_repeated_constant_that_gives_the_shape_is_kept_whole() -> None:
    x = relay.var("x", shape=(1, 8, 1, 1))
    repeated = op.broadcast_to(c(np.ones((1, 8, 1, 1))), (1, 8, 4, 4))
    mod = tvm.IRModule.from_expr(relay.Function([x], x + repeated))
    folded = fold_constants(relay.transform.InferType()(mod))
    assert [int(d) for d in folded["main"].ret_type.shape] == [1, 8, 4, 4]


def test_shapes_of_static_tensors_are_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    no_compiler(monkeypatch)
    x = relay.var("x", shape=(1, 8, 4, 4))
    rows = op.take(op.shape_of(op.nn.relu(x), "int64"), c(1, "int64"), 0)
    y = op.multiply(x, op.cast(rows, "float32"))
    body = body_of(tvm.IRModule.from_expr(relay.Function([x], y)))
    assert float(body.args[1].data.numpy()) == 8


@pytest.mark.parametrize("like", [op.broadcast_to_like, op.reshape_like])
def test_a_constant_in_the_shape_of_a_tensor_is_a_constant(
    like: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_compiler(monkeypatch)
    x = relay.var("x", shape=(1, 8, 2, 2))
    slopes = c(np.linspace(0, 1, 32).reshape(8, 2, 2))
    y = op.reshape(like(slopes, x), [-1])
    body = body_of(
        tvm.IRModule.from_expr(relay.Function([x], op.nn.prelu(op.reshape(x, [-1]), y, 0)))
    )
    np.testing.assert_array_equal(body.args[1].data.numpy(), slopes.data.numpy().reshape(-1))


def test_control_flow_is_left_to_tvm() -> None:
    x = relay.var("x", shape=(2,))
    y = relay.If(relay.var("c", shape=(), dtype="bool"), x, op.add(x, op.add(c(1.0), c(2.0))))
    function = relay.Function(relay.analysis.free_vars(y), y)
    text = str(fold_constants(relay.transform.InferType()(tvm.IRModule.from_expr(function))))
    assert text.count("add(") == 1, "TVM folded the sum of constants"


QUANTISED = [
    ("int8", 0, [0.1, 0.2], 0, "per output channel"),
    ("int8", 0, 0.1, 0, "per tensor"),
    ("uint8", 128, 0.1, 0, "a zero point"),
    ("int8", 0, [0.1, 0.2, 0.3], 1, "along another axis"),
]


@pytest.mark.parametrize(
    ("dtype", "zero", "scale", "axis", "why"), QUANTISED, ids=[case[-1] for case in QUANTISED]
)
def test_quantised_constants_fold_as_tvm_would_compute_them(
    dtype: str, zero: int, scale: Any, axis: int, why: str
) -> None:
    w = c(RNG.standard_normal((2, 3, 4)) * 8)
    scales = [c(scale), c(np.full(np.shape(scale), zero), "int32")]
    q = relay.qnn.op.quantize(w, *scales, axis=axis, out_dtype=dtype)
    mod = typed(relay.qnn.op.dequantize(q, *scales, axis=axis))
    (got,) = numbers(fold_constants(mod)["main"].body)
    (want,) = evaluate(mod, {})
    np.testing.assert_allclose(got, want, rtol=1e-6, err_msg=why)
    assert len(np.unique(got)) > 8


def conv_of(quantise: Callable[[Any], Any], rng: np.random.Generator) -> tvm.IRModule:
    x = relay.var("x", shape=(1, 3, 8, 8))
    scales = [c(0.03), c(0, "int32")]
    data = relay.qnn.op.dequantize(relay.qnn.op.quantize(x, *scales), *scales)
    y = op.nn.relu(op.nn.conv2d(data, quantise(c(rng.standard_normal((4, 3, 3, 3))))))
    y = relay.qnn.op.dequantize(relay.qnn.op.quantize(y, *scales), *scales)
    return tvm.IRModule.from_expr(relay.Function([x], y))


@pytest.mark.parametrize("scale", [0.05, [0.05, 0.02, 0.03, 0.04]], ids=["tensor", "channel"])
def test_weights_behind_a_pair_are_weights(scale: Any, rng: np.random.Generator) -> None:
    zero = c(np.zeros(np.shape(scale)), "int32")

    def pair(w: Any) -> Any:
        q = relay.qnn.op.quantize(w, c(scale), zero, axis=0)
        return relay.qnn.op.dequantize(q, c(scale), zero, axis=0)

    partitioned = tvm_dla.partition_for_dla(conv_of(pair, rng), precision="int8")
    report = tvm_dla.partition_report(partitioned)
    assert not report.kept, str(report)
    assert "nn.conv2d" in offloaded(partitioned)


def test_front_ends_read_the_same_model_without_the_compiler(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    from tvm.relay.frontend import common

    read = onnx.load(str(model))
    want = relay.frontend.from_onnx(read, freeze_params=True)[0]
    originals = common.fold_constant, common.infer_value, common.infer_type
    with importing.quick_frontends():
        no_compiler(monkeypatch)
        assert common.fold_constant is not originals[0]
        got = relay.frontend.from_onnx(read, freeze_params=True)[0]
    assert (common.fold_constant, common.infer_value, common.infer_type) == originals
    infer = relay.transform.InferType()
    assert tvm.ir.structural_equal(infer(got), infer(want))


def test_a_value_that_hangs_on_parameters_needs_no_program() -> None:
    p = relay.var("p", shape=(2,), dtype="int64")
    folder = Folder(given={"p": tvm.nd.array(np.array([3, 4], "int64"))})
    value = folder.value(op.multiply(p, c(2, "int64")))
    assert value is not None and value.tolist() == [6, 8]
    assert Folder().value(op.multiply(p, c(2, "int64"))) is None
