"""partition_for_dla: which calls move, how the regions read, and that the numbers stay."""

from __future__ import annotations

import json
import re
from typing import Callable, NamedTuple

import numpy as np
import pytest
import tvm
from conftest import const, evaluate
from tvm import relay

import tvm_dla

IMAGE = (1, 3, 8, 8)
PREFIX = 'Composite="dla.prefix"'
SUFFIX = 'Composite="dla.suffix"'


def conv(rng: np.random.Generator, data: relay.Expr, channels: int = 4) -> relay.Expr:
    inputs = 3 if isinstance(data, relay.Var) else 4
    return relay.nn.conv2d(
        data, const(rng, channels, inputs, 3, 3), padding=(1, 1), kernel_size=(3, 3)
    )


def classifier(rng: np.random.Generator, data: relay.Expr, features: int) -> relay.Expr:
    flat = relay.nn.batch_flatten(data)
    return relay.nn.softmax(relay.nn.dense(flat, const(rng, 5, features)))


def plain(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=IMAGE)
    pooled = relay.nn.max_pool2d(relay.nn.relu(conv(rng, x)), (2, 2), (2, 2))
    return relay.Function([x], classifier(rng, pooled, 64))


def repeated_argument(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=IMAGE)
    y = conv(rng, x)
    return relay.Function([x], relay.nn.relu(relay.add(y, y)))


def nhwc(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 8, 8, 3))
    y = relay.nn.conv2d(
        x,
        const(rng, 3, 3, 3, 4),
        padding=(1, 1),
        channels=4,
        kernel_size=(3, 3),
        data_layout="NHWC",
        kernel_layout="HWIO",
    )
    return relay.Function([x], relay.nn.max_pool2d(y, (2, 2), (2, 2), layout="NHWC"))


def batch_norm(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=IMAGE)
    variance = relay.const(np.full(4, 0.5, "float32"))
    y = relay.nn.batch_norm(conv(rng, x), const(rng, 4), const(rng, 4), const(rng, 4), variance)
    return relay.Function([x], relay.nn.dropout(relay.nn.relu(y[0])))


def two_inputs(rng: np.random.Generator) -> relay.Function:
    x, z = relay.var("x", shape=IMAGE), relay.var("z", shape=IMAGE)
    joined = relay.concatenate([conv(rng, x), conv(rng, z)], axis=1)
    return relay.Function([x, z], classifier(rng, joined, 512))


def input_used_on_both_sides(rng: np.random.Generator) -> relay.Function:
    x, z = relay.var("x", shape=IMAGE), relay.var("z", shape=(1, 256))
    flat = relay.nn.batch_flatten(conv(rng, x))
    return relay.Function([x, z], relay.nn.dense(relay.add(flat, z), const(rng, 5, 256)))


def repeated_concatenate(rng: np.random.Generator) -> relay.Function:
    x, z = relay.var("x", shape=IMAGE), relay.var("z", shape=(1, 4, 8, 8))
    y = conv(rng, x)
    return relay.Function([x, z], relay.nn.relu(relay.concatenate([y, z, y], axis=1)))


def tuple_of_both_sides(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=IMAGE)
    y = conv(rng, x)
    return relay.Function([x], relay.Tuple([classifier(rng, y, 256), relay.nn.relu(y)]))


def unsupported_between(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=IMAGE)
    turned = relay.cumsum(conv(rng, x), axis=2)
    return relay.Function([x], classifier(rng, relay.nn.relu(turned), 256))


class Case(NamedTuple):
    build: Callable[[np.random.Generator], relay.Function]
    regions: int
    prefix: bool
    suffix: bool
    why: str


CASES = [
    Case(plain, 1, True, True, "the shape of every classic CNN"),
    Case(repeated_argument, 1, True, False, "add(y, y) must stay an addition of two"),
    Case(
        nhwc,
        1,
        True,
        False,
        "both orders of axes are the plugin's: nothing but the two layers is left",
    ),
    Case(batch_norm, 1, True, False, "batch_norm returns a tuple, dropout disappears"),
    Case(two_inputs, 1, True, True, "both inputs go through the prefix, two tensors are joined"),
    Case(input_used_on_both_sides, 1, True, True, "an input that only the suffix uses"),
    Case(repeated_concatenate, 1, True, False, "concatenate takes one tensor twice"),
    Case(tuple_of_both_sides, 1, True, True, "one output from each side of the cut"),
    Case(unsupported_between, 2, True, True, "an operator that stays makes two regions"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.build.__name__)
def test_the_regions_read_as_cut_and_compute_the_same(case: Case, rng: np.random.Generator) -> None:
    original = tvm.IRModule.from_expr(case.build(rng))
    inputs = {
        var.name_hint: rng.standard_normal([int(s) for s in var.checked_type.shape]).astype(
            "float32"
        )
        for var in relay.transform.InferType()(original)["main"].params
    }
    before = original.astext()

    partitioned = tvm_dla.partition_for_dla(original)

    text = partitioned.astext(show_meta_data=False)
    assert original.astext() == before, "the caller's module is not changed"
    assert text.count('Compiler="dla"') == case.regions, case.why
    assert (PREFIX in text, SUFFIX in text) == (case.prefix, case.suffix), case.why
    for got, want in zip(evaluate(partitioned, inputs), evaluate(original, inputs)):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=case.why)


def test_prefix_comes_first_and_feeds_the_suffix(rng: np.random.Generator) -> None:
    text = tvm_dla.partition_for_dla(tvm.IRModule.from_expr(plain(rng))).astext(False)
    prefix, suffix = text.split(SUFFIX)[0].split(PREFIX)[1], text.split(SUFFIX)[1]
    assert "nn.conv2d" in prefix
    assert "nn.max_pool2d" in prefix
    assert "nn.dense" in suffix
    assert "nn.conv2d" not in suffix


def test_report_counts_the_sides_and_gives_reasons(rng: np.random.Generator) -> None:
    mod = tvm_dla.partition_for_dla(tvm.IRModule.from_expr(unsupported_between(rng)))
    report = tvm_dla.partition_report(mod)
    assert sum(r.prefix for r in report.regions) >= 1
    assert [k.op for k in report.kept] == ["cumsum"]
    assert report.kept[0].reason
    assert "stays with TVM: cumsum (1x): " in str(report)


def test_a_compiled_model_says_what_stayed_and_which_outputs_are_constants(
    rng: np.random.Generator,
) -> None:
    x = relay.var("x", shape=IMAGE)
    priors = const(rng, 1, 4, 2)
    outputs = relay.Tuple([relay.cumsum(relay.nn.relu(conv(rng, x)), axis=2), priors])
    mod = tvm_dla.partition_for_dla(tvm.IRModule.from_expr(relay.Function([x], outputs)))
    report = tvm_dla.partition_report(mod)
    assert report.constants == [1] and not report.no_dla
    assert "output 1 is a constant" in str(report)
    regions = [f for f in mod.functions.values() if f.attrs and "dla_kept" in f.attrs.keys()]
    assert len(regions) == 1, "one network carries it"
    assert json.loads(str(regions[0].attrs["dla_kept"]))[0]["op"] == "cumsum"


def test_a_model_without_a_node_on_a_dla_says_why(rng: np.random.Generator) -> None:
    x = relay.var("x", shape=(1, 8))
    dense = relay.nn.dense(x, const(rng, 5, 8))
    function = relay.Function([x], relay.nn.softmax(dense))
    report = tvm_dla.partition_report(
        tvm_dla.partition_for_dla(tvm.IRModule.from_expr(function), gpu_only="dense")
    )
    assert report.no_dla
    assert f"warning: no node is on a DLA: {report.no_dla}" in str(report)


def test_regions_that_only_move_data_go_back_to_tvm(rng: np.random.Generator) -> None:
    x = relay.var("x", shape=IMAGE)
    turned = relay.cumsum(relay.nn.relu(conv(rng, x)), axis=2)
    mod = tvm.IRModule.from_expr(relay.Function([x], relay.reshape(turned, (1, -1))))
    partitioned = tvm_dla.partition_for_dla(mod)
    assert partitioned.astext(False).count('Compiler="dla"') == 1
    assert "reshape" in [k.op for k in tvm_dla.partition_report(partitioned).kept]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"chip": "xavier"}),
        ({"chip": "orin", "precision": "int8"}, {"chip": "orin", "precision": "int8"}),
        ({"tensorrt": (8, 5, 2)}, {"tensorrt": "8.5.2"}),
        ({"cores": [0]}, {"cores": "0"}),
        ({"gpu_only": None, "chip": ""}, {"chip": "xavier"}),
    ],
    ids=["defaults", "strings", "version", "list", "not given"],
)
def test_options_travel_with_the_region(
    options: dict[str, object], expected: dict[str, str], rng: np.random.Generator
) -> None:
    mod = tvm_dla.partition_for_dla(tvm.IRModule.from_expr(plain(rng)), **options)
    region = next(f for name, f in mod.functions.items() if name.name_hint != "main")
    written = str(region.attrs["dla_options"])
    for name, value in expected.items():
        digits = [re.escape(part) for part in re.split(r"[.,]", value)]
        assert re.search(rf'"{name}":\s*\W*' + r"\W+".join(digits), written), written


def test_gpu_only_moves_calls_into_the_suffix(rng: np.random.Generator) -> None:
    mod = tvm.IRModule.from_expr(plain(rng))
    free = tvm_dla.partition_report(tvm_dla.partition_for_dla(mod)).regions[0]
    held = tvm_dla.partition_report(
        tvm_dla.partition_for_dla(mod, gpu_only=["max_pool2d"])
    ).regions[0]
    assert held.prefix < free.prefix
    assert held.prefix + held.suffix == free.prefix + free.suffix


def test_gpu_only_of_one_region_among_several(rng: np.random.Generator) -> None:
    mod = tvm.IRModule.from_expr(unsupported_between(rng))
    held = tvm_dla.partition_report(tvm_dla.partition_for_dla(mod, gpu_only="conv2d,dense"))
    assert len(held.regions) == 2
    assert sum(region.prefix for region in held.regions) == 0
    with pytest.raises(tvm_dla.TvmDlaError, match="`dens`"):
        tvm_dla.partition_for_dla(mod, gpu_only=["conv2d", "dens"])


def test_gpu_only_of_something_that_is_not_there(rng: np.random.Generator) -> None:
    mod = tvm.IRModule.from_expr(plain(rng))
    with pytest.raises(tvm_dla.TvmDlaError, match="`max_pool2d`") as refused:
        tvm_dla.partition_for_dla(mod, gpu_only="max_pol2d")
    assert "TVMFuncCall" not in str(refused.value)


def test_params_are_bound(rng: np.random.Generator) -> None:
    x, w = relay.var("x", shape=IMAGE), relay.var("w", shape=(4, 3, 3, 3))
    mod = tvm.IRModule.from_expr(relay.Function([x, w], relay.nn.conv2d(x, w, padding=(1, 1))))
    params = {"w": tvm.nd.array(rng.standard_normal((4, 3, 3, 3)).astype("float32"))}
    assert len(tvm_dla.partition_for_dla(mod, params)["main"].params) == 1


def test_register_twice_does_nothing() -> None:
    tvm_dla.register()
    tvm_dla.register()
    assert tvm.get_global_func("relay.ext.dla", allow_missing=True) is not None
