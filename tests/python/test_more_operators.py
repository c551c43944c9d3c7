"""Operators that are several of ours: which forms are taken, why not the others, and that they
agree with TVM's own build."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np
import pytest
import tvm
from conftest import evaluate, offloaded
from tvm import relay

import tvm_dla
from tvm_dla import annotate
from tvm_dla.options import canonical

X = (2, 4, 6, 6)


def x(*shape: int, dtype: str = "float32") -> relay.Var:
    return relay.var("x", shape=shape or X, dtype=dtype)


def weight(*shape: int) -> relay.Constant:
    return relay.const(np.random.default_rng(1).uniform(0.1, 1, shape).astype("float32"))


def numbers(values: Any, dtype: str = "int64") -> relay.Constant:
    return relay.const(np.array(values, dtype))


def resize(mode: str, size: tuple[int, int], **attrs: Any) -> Any:
    given = {"method": "linear", "coordinate_transformation_mode": mode, **attrs}
    return relay.image.resize2d(x(), size, layout="NCHW", **given)


def matmul(**attrs: Any) -> Any:
    return relay.nn.matmul(x(3, 4), relay.var("w", shape=(5, 4)), transpose_b=True, **attrs)


class Case(NamedTuple):
    """`reason` is part of why TVM keeps the call; empty when it is taken."""

    call: Callable[[], Any]
    why: str
    reason: str = ""


TAKEN = [
    Case(lambda: relay.copy(x()), "a copy"),
    Case(lambda: relay.cast(x(), "float32"), "a cast to the same type"),
    Case(lambda: relay.cast_like(x(), relay.var("y", shape=(1,))), "to the type of another"),
    Case(lambda: relay.take(x(), numbers(2), axis=1), "one element"),
    Case(lambda: relay.take(x(), numbers(-1), axis=1, mode="wrap"), "the last element"),
    Case(lambda: relay.take(x(), numbers([[1, 3], [2, 0]]), axis=3), "two axes of indices"),
    Case(lambda: relay.take(x(), numbers([1, 9]), axis=2), "clipped at the end"),
    Case(lambda: relay.take(x(), numbers([5, 7, 1])), "of all elements"),
    Case(lambda: relay.gather(x(2, 3), 1, numbers([[2, 0], [2, 0]])), "gather, each row alike"),
    Case(lambda: relay.gather_nd(x(), numbers([1, 2])), "a part by two indices"),
    Case(lambda: relay.gather_nd(x(), numbers([[1, 0], [2, 3]])), "two parts by two indices"),
    Case(lambda: relay.reverse(x(), axis=2), "backwards"),
    Case(lambda: relay.slice_like(x(), relay.var("y", shape=(2, 3, 4, 6)), axes=(1, 2)), "like"),
    Case(lambda: relay.strided_slice(x(), [0, 3], [2, 0], [1, -1]), "a stride backwards"),
    Case(lambda: relay.stack([x(), relay.var("y", shape=X)], axis=-1), "stack"),
    Case(lambda: relay.broadcast_to(x(4, 1), (3, 4, 5)), "to more and longer axes"),
    Case(lambda: relay.broadcast_to(x(), X), "to the same shape"),
    Case(lambda: relay.broadcast_to_like(x(1, 3), relay.var("y", shape=(2, 3))), "like another"),
    Case(lambda: relay.tile(x(2, 1, 3), (2, 1, 4, 2)), "tile"),
    Case(lambda: relay.repeat(x(), 3, axis=-2), "repeat"),
    Case(lambda: relay.reshape_like(x(2, 6), relay.var("y", shape=(2, 3, 2))), "reshape like"),
    Case(lambda: relay.where(numbers([True], "bool"), x(), weight(6)), "always the first"),
    Case(lambda: relay.where(numbers([[1, 0], [0, 1]], "bool"), x(3, 2, 2), weight(1)), "mask"),
    Case(
        lambda: relay.where(
            numbers([[1, 0], [1, 1]], "bool"), x(2, 2), relay.const(np.float32(-np.inf))
        ),
        "infinity where it does not hold",
    ),
    Case(lambda: relay.nn.depth_to_space(x(), 2), "DCR"),
    Case(lambda: relay.nn.depth_to_space(x(2, 8, 3, 3), 2, mode="CRD"), "CRD"),
    Case(lambda: relay.nn.depth_to_space(x(2, 3, 3, 8), 2, layout="NHWC"), "channels last"),
    Case(lambda: relay.nn.space_to_depth(x(), 3), "space to depth"),
    Case(lambda: relay.nn.space_to_depth(x(2, 6, 6, 4), 2, layout="NHWC"), "the same, NHWC"),
    Case(
        lambda: relay.nn.mirror_pad(x(), ((0, 0), (0, 0), (2, 1), (3, 5)), "REFLECT"), "reflected"
    ),
    Case(
        lambda: relay.nn.mirror_pad(x(), ((0, 0), (1, 1), (2, 1), (6, 0)), "SYMMETRIC"), "symmetric"
    ),
    Case(lambda: relay.nn.pad(x(), ((0, 0), (0, 0), (2, 1), (9, 0)), pad_mode="edge"), "the edge"),
    Case(lambda: relay.nn.pad(x(), ((0, 0), (0, 0), (2, 1), (1, 1)), pad_mode="reflect"), "mirror"),
    Case(lambda: relay.nn.prelu(x(), weight(6), axis=3), "slopes along the last axis"),
    Case(lambda: relay.nn.prelu(x(7), weight(7), axis=0), "slopes of a vector"),
    Case(lambda: relay.nn.instance_norm(x(), weight(4), weight(4), epsilon=1e-3), "per map"),
    Case(lambda: relay.nn.instance_norm(x(), weight(4), weight(4), scale=False), "no scale"),
    Case(lambda: relay.nn.instance_norm(x(), weight(6), weight(6), axis=3), "channels last"),
    Case(lambda: relay.nn.group_norm(x(), weight(4), weight(4), num_groups=2), "groups"),
    Case(lambda: relay.variance(x(), axis=(2, 3), keepdims=True), "variance"),
    Case(lambda: relay.variance(x(), axis=1, exclude=True, unbiased=True), "unbiased"),
    Case(lambda: relay.nn.l2_normalize(x(), 1e-6, axis=[1]), "unit length"),
    Case(
        lambda: relay.nn.log_softmax(x(3, 7) * relay.const(99.0), axis=1), "far below the largest"
    ),
    Case(lambda: relay.nn.fast_softmax(x(), axis=1), "fast softmax"),
    Case(lambda: relay.rsqrt(relay.abs(x())), "one over a root"),
    Case(lambda: relay.log2(relay.abs(x())), "to the base 2"),
    Case(lambda: relay.log10(relay.abs(x())), "to the base 10"),
    Case(lambda: relay.trunc(x() * relay.const(3.0)), "towards zero"),
    Case(lambda: relay.floor_divide(x(), relay.const(0.3)), "whole quotient"),
    *(
        Case(lambda op=op: op(x()), op.__name__)
        for op in (relay.tan, relay.sinh, relay.cosh, relay.asinh)
    ),
    *(
        Case(lambda op=op: op(relay.clip(x(), -0.9, 0.9)), op.__name__)
        for op in (relay.asin, relay.acos, relay.atanh)
    ),
    Case(lambda: relay.acosh(relay.abs(x()) + relay.const(1.5)), "acosh"),
    Case(lambda: resize("pytorch_half_pixel", (9, 11)), "PyTorch's half pixels"),
    Case(
        lambda: resize("tf_half_pixel_for_nn", (9, 4), method="nearest_neighbor"),
        "TensorFlow's nearest",
    ),
    Case(lambda: relay.nn.max_pool1d(x(2, 3, 9), 3, strides=2, padding=1), "maximum of a line"),
    Case(
        lambda: relay.nn.avg_pool1d(x(2, 3, 8), 3, strides=2, ceil_mode=True, padding=(1, 0)),
        "mean of a line",
    ),
    Case(lambda: relay.nn.adaptive_avg_pool1d(x(2, 3, 8), 3), "uneven windows of a line"),
    Case(lambda: relay.nn.adaptive_max_pool1d(x(2, 3, 8), 1), "maximum of the whole line"),
    Case(lambda: relay.nn.adaptive_avg_pool3d(x(1, 2, 4, 4, 6), (2, 1, 3)), "windows of a cube"),
    Case(
        lambda: relay.nn.conv1d_transpose(
            x(1, 4, 5),
            weight(4, 3, 3),
            strides=(2,),
            padding=(1,),
            output_padding=(1,),
            channels=3,
            kernel_size=(3,),
        ),
        "deconvolution of a line",
    ),
    Case(
        lambda: relay.nn.conv2d_transpose(
            x(), weight(4, 3, 3, 3), channels=6, kernel_size=(3, 3), groups=2, strides=(2, 2)
        ),
        "deconvolution in groups",
    ),
    Case(lambda: relay.nn.dense(x(3, 4), relay.var("w", shape=(5, 4))), "computed weights"),
    Case(matmul, "a product of two activations"),
    Case(lambda: relay.nn.matmul(x(4, 3), weight(4, 5), transpose_a=True), "both swapped"),
    Case(lambda: relay.nn.matmul(x(2, 4), weight(4, 5)), "a constant, inputs first"),
    Case(lambda: relay.clip(x(), -0.5, np.inf), "a clip without an upper end"),
]

KEPT = [
    Case(lambda: relay.cast(x(dtype="int32"), "float32"), "integers", "is int32, not float32"),
    Case(
        lambda: relay.take(x(), relay.var("i", shape=(2,), dtype="int32"), axis=0),
        "computed indices",
        "indices are computed at run time",
    ),
    Case(
        lambda: relay.take(x(), numbers([0, 2]), axis=0, batch_dims=0, mode="fast"),
        "an index that does not exist",
        "index 2 is outside 2 elements",
    ),
    Case(
        lambda: relay.gather(x(2, 3), 1, numbers([[2, 0], [1, 0]])),
        "another choice in each row",
        "differ along other axes",
    ),
    Case(lambda: relay.reverse(x(1, 99), axis=1), "too many slices", "99 slices, more than 64"),
    Case(
        lambda: relay.where(relay.var("c", shape=X, dtype="bool"), x(), x()),
        "a computed condition",
        "condition is computed at run time",
    ),
    Case(lambda: resize("pytorch_half_pixel", (1, 9)), "a single row", "`pytorch_half_pixel`"),
    Case(lambda: resize("tf_half_pixel_for_nn", (9, 9)), "linear", "`tf_half_pixel_for_nn`"),
    Case(lambda: relay.argmax(x(), axis=1), "an index", "its result is an index"),
    Case(lambda: relay.round(x()), "halves", "rounds halves away from zero"),
    Case(lambda: relay.sign(x()), "a new layer", "from 8.2 on only"),
    Case(lambda: relay.greater(x(), relay.const(0.0)), "a truth", "true or false"),
    Case(
        lambda: relay.nn.group_norm(x(), weight(6), weight(6), num_groups=2, axis=3),
        "groups of another axis",
        "axis is 3, not 1",
    ),
    Case(
        lambda: relay.nn.adaptive_avg_pool3d(x(1, 2, 4, 4, 6), (3, 1, 1)),
        "uneven windows",
        "not of one size",
    ),
]


def typed(expr: Any) -> tvm.IRModule:
    function = relay.Function(relay.analysis.free_vars(expr), expr)
    return tvm.relay.transform.InferType()(tvm.IRModule.from_expr(function))


def feeds(mod: tvm.IRModule) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    variables = mod["main"].params
    shapes = {v.name_hint: [int(d) for d in v.type_annotation.shape] for v in variables}
    return {n: rng.standard_normal(s).astype("float32") for n, s in shapes.items()}


@pytest.mark.parametrize("case", TAKEN + KEPT, ids=lambda case: case.why)
def test_each_form_is_taken_or_refused_with_its_reason(case: Case) -> None:
    call = typed(case.call())["main"].body
    reason = annotate.reason(call, canonical({}))
    assert case.reason in reason
    assert bool(reason) == bool(case.reason), reason


def test_what_is_taken_agrees_with_tvm() -> None:
    """Behind an exponential, so that no region only moves data; one network, built once."""
    outputs, inputs = [], {}
    for index, case in enumerate(TAKEN):
        mod = typed(case.call())
        for name, value in feeds(mod).items():
            inputs[f"{name}{index}"] = value * 0.5
        names = {v: relay.var(f"{v.name_hint}{index}", v.checked_type) for v in mod["main"].params}
        outputs.append(relay.bind(mod["main"].body, {v: relay.exp(n) for v, n in names.items()}))
    mod = typed(relay.Tuple(outputs))
    want = evaluate(mod, inputs)
    partitioned = tvm_dla.partition_for_dla(mod)
    assert offloaded(partitioned) > {"take", "nn.instance_norm", "nn.depth_to_space", "stack"}
    got = evaluate(partitioned, inputs)
    for case, ours, theirs in zip(TAKEN, got, want):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5, err_msg=case.why)


def test_halves_inside_a_network_are_computed_as_the_rest() -> None:
    relu = relay.nn.relu(relay.cast(relay.exp(x()), "float16"))
    mod = typed(relay.exp(relay.cast(relu, "float32")))
    inputs = {"x": np.random.default_rng(3).standard_normal(X).astype("float32")}
    partitioned = tvm_dla.partition_for_dla(mod)
    assert offloaded(partitioned) == {"exp", "cast", "nn.relu"}
    want = evaluate(mod, inputs)[0]
    np.testing.assert_allclose(evaluate(partitioned, inputs)[0], want, rtol=2e-2)


def test_a_cast_at_the_end_gives_halves() -> None:
    mod = typed(relay.cast(relay.exp(x()), "float16"))
    inputs = {"x": np.random.default_rng(3).standard_normal(X).astype("float32")}
    got = evaluate(tvm_dla.partition_for_dla(mod), inputs)[0]
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, np.exp(inputs["x"]), rtol=1e-3)
