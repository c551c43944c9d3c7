"""Models that were quantised before TVM: float32 networks with ranges, integers at their ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import quantised_reference as reference
import tflite
import tvm
from conftest import LLVM, command, evaluate, program, tvmc_dla
from onnxruntime import quantization
from quantised_onnx import Rounding, logits
from tvm import relay
from tvm.contrib import graph_executor

import tvm_dla
from tvm_dla import passes

IMAGE = (1, 8, 8, 3)
Build = Callable[[np.random.Generator], relay.Function]


def q(rng: np.random.Generator, dtype: str, *shape: int) -> relay.Constant:
    least, most = {"uint8": (0, 256), "int8": (-127, 128), "int32": (-500, 500)}[dtype]
    return relay.const(rng.integers(least, most, shape).astype(dtype))


def f(value: Any) -> relay.Constant:
    return relay.const(np.asarray(value, "float32"))


def i(value: Any) -> relay.Constant:
    return relay.const(np.asarray(value, "int32"))


def conv(x: Any, w: Any, scales: tuple[Any, Any], zeros: tuple[Any, Any], **attrs: Any) -> Any:
    attrs = {"data_layout": "NHWC", "kernel_layout": "HWIO", **attrs}
    args = (x, w, i(zeros[0]), i(zeros[1]), f(scales[0]), f(scales[1]))
    return relay.qnn.op.conv2d(*args, kernel_size=(3, 3), **attrs)


def tflite_like(rng: np.random.Generator) -> relay.Function:
    """uint8 with zero points, channels last; ReLU6 and the average in integers."""
    x = relay.var("x", shape=IMAGE, dtype="uint8")
    y = conv(x, q(rng, "uint8", 3, 3, 3, 8), (0.02, 0.005), (120, 130), channels=8)
    y = relay.nn.bias_add(y, q(rng, "int32", 8), axis=3)
    y = relay.qnn.op.requantize(y, f(1e-4), i(0), f(6 / 255), i(0), axis=3, out_dtype="uint8")
    y = relay.clip(y, 0, 255)
    sum_of = relay.qnn.op.add(y, y, f(6 / 255), i(0), f(6 / 255), i(0), f(0.05), i(3))
    y = relay.cast(sum_of, "int32")
    y = relay.nn.avg_pool2d(y, (2, 2), (2, 2), layout="NHWC")
    y = relay.reshape(relay.cast(y, "uint8"), (1, 72))
    y = relay.qnn.op.dense(y, q(rng, "uint8", 10, 72), i(3), i(128), f(0.05), f(0.004), units=10)
    y = relay.nn.bias_add(y, q(rng, "int32", 10))
    y = relay.qnn.op.requantize(y, f(2e-4), i(0), f(0.05), i(100), out_dtype="uint8")
    return relay.Function([x], y)


def per_channel(rng: np.random.Generator) -> relay.Function:
    """int8 with a scale per output channel, a bias that is added, pooling on the integers."""
    x = relay.var("x", shape=(1, 3, 8, 8), dtype="int8")
    scales = np.linspace(0.002, 0.01, 4, dtype="float32")
    layouts = {"data_layout": "NCHW", "kernel_layout": "OIHW", "channels": 4}
    y = conv(x, q(rng, "int8", 4, 3, 3, 3), (0.02, scales), (0, 0), **layouts)
    y = relay.add(y, q(rng, "int32", 4, 1, 1))
    y = relay.qnn.op.requantize(y, f(scales * 0.02), i(0), f(0.03), i(0), axis=1, out_dtype="int8")
    y = relay.nn.max_pool2d(relay.nn.relu(y), (2, 2), (2, 2), padding=(1, 1))
    return relay.Function([x], y)


def joined(rng: np.random.Generator) -> relay.Function:
    """Two scales into one, a product, padding with the zero point, a cut from both sides."""
    x = relay.var("x", shape=(1, 3, 8, 8), dtype="int8")
    s = [f(0.02), i(5)]
    both = relay.qnn.op.mul(x, x, *s, *s, f(0.03), i(-10))
    parts = relay.Tuple([x, both])
    scales = relay.Tuple([f(0.02), f(0.03)]), relay.Tuple([i(5), i(-10)])
    y = relay.qnn.op.concatenate(parts, *scales, f(0.035), i(4), axis=1)
    y = relay.nn.pad(y, ((0, 0), (0, 0), (1, 1), (1, 1)), pad_value=4)
    return relay.Function([x], relay.clip(y, -60, 60))


class Case(NamedTuple):
    build: Build
    quantised: int
    why: str


CASES = [
    Case(tflite_like, 4, "as the frontend of TFLite writes it"),
    Case(per_channel, 1, "as the frontend of PyTorch writes it"),
    Case(joined, 2, "operators of two tensors"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.build.__name__)
def test_one_region_computes_what_the_integers_do(case: Case, rng: np.random.Generator) -> None:
    """Each rounding to integers may move a value by half a step, here and there: with weights and
    activations of a few hundred steps, a step for each tensor that was quantised on the way."""
    original = tvm.IRModule.from_expr(case.build(rng))
    var = original["main"].params[0]
    given = rng.integers(0, 127, [int(d) for d in var.type_annotation.shape])
    inputs = {"x": given.astype(var.type_annotation.dtype)}

    partitioned = tvm_dla.partition_for_dla(original, precision="int8")

    report = tvm_dla.partition_report(partitioned)
    assert [region.suffix >= 0 for region in report.regions] == [True], str(report)
    assert not report.kept, case.why
    (got,), (want,) = evaluate(partitioned, inputs), evaluate(original, inputs)
    assert got.dtype == want.dtype
    assert want.std() > 5, "the integers are spread, so that a mistake shows"
    distance = np.abs(got.astype(int) - want.astype(int)).max()
    assert distance <= case.quantised, case.why


class Refused(NamedTuple):
    build: Build
    op: str
    reason: str
    remedy: str


def dynamic_scale(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8))
    scale = relay.max(relay.abs(x)) / f(127.0)
    y = relay.qnn.op.dequantize(relay.qnn.op.quantize(x, scale, i(0)), scale, i(0))
    return relay.Function([x], relay.nn.relu(y))


def scale_per_channel(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8))
    scales = [f([0.1, 0.2, 0.3]), i([0, 0, 0])]
    y = relay.qnn.op.quantize(relay.nn.relu(x), *scales, axis=1)
    return relay.Function([x], relay.nn.relu(relay.qnn.op.dequantize(y, *scales, axis=1)))


def zero_point_per_channel(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8))
    scales = [f([0.1, 0.1, 0.1]), i([0, 5, -5])]
    y = relay.qnn.op.quantize(relay.nn.relu(x), *scales, axis=1)
    return relay.Function([x], relay.nn.relu(relay.qnn.op.dequantize(y, *scales, axis=1)))


def dynamic_zero_point(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8), dtype="uint8")
    zero = relay.cast(relay.min(x), "int32")
    return relay.Function([x], relay.nn.relu(relay.qnn.op.dequantize(x, f(0.1), zero)))


def no_scale(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8))
    scales = [f(0.0), i(0)]
    y = relay.qnn.op.quantize(relay.nn.relu(x), *scales)
    return relay.Function([x], relay.nn.relu(relay.qnn.op.dequantize(y, *scales)))


def sixteen_bits(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8))
    y = relay.qnn.op.quantize(relay.nn.relu(x), f(0.1), i(0), out_dtype="int16")
    return relay.Function([x], relay.nn.relu(relay.cast(y, "float32")))


def unknown(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8))
    scales = [f(0.1), i(0)]
    y = relay.qnn.op.quantize(relay.nn.relu(x), *scales)
    y = relay.qnn.op.rsqrt(y, *scales, *scales)
    return relay.Function([x], relay.nn.relu(relay.qnn.op.dequantize(y, *scales)))


def weights_at_run_time(rng: np.random.Generator) -> relay.Function:
    x = relay.var("x", shape=(1, 3, 8, 8), dtype="int8")
    w = relay.var("w", shape=(4, 3, 3, 3), dtype="int8")
    layouts = {"data_layout": "NCHW", "kernel_layout": "OIHW", "channels": 4}
    y = conv(x, w, (0.1, 0.1), (0, 0), **layouts)
    y = relay.qnn.op.requantize(y, f(0.01), i(0), f(0.1), i(0), out_dtype="int8")
    return relay.Function([x, w], relay.nn.relu(relay.qnn.op.dequantize(y, f(0.1), i(0))))


REFUSED = [
    Refused(dynamic_scale, "qnn.quantize", "at run time", "quantise statically"),
    Refused(dynamic_zero_point, "qnn.dequantize", "its zero point is computed", "statically"),
    Refused(scale_per_channel, "qnn.quantize", "3 scales or zero points", "per tensor"),
    Refused(zero_point_per_channel, "qnn.quantize", "3 scales or zero points", "per tensor"),
    Refused(sixteen_bits, "qnn.quantize", "int16, and a DLA has INT8 only", "int8 or uint8"),
    Refused(no_scale, "qnn.quantize", "the scale 0 is not a normal number", "above zero"),
    Refused(unknown, "qnn.rsqrt", "it has no float32 form", "leave this operator out"),
    Refused(weights_at_run_time, "qnn.conv2d", "its weights are not constants", "bind"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.build.__name__)
def test_what_cannot_be_ranges_is_refused_by_name(case: Refused, rng: np.random.Generator) -> None:
    mod = tvm.IRModule.from_expr(case.build(rng))
    report = tvm_dla.partition_report(tvm_dla.partition_for_dla(mod))
    reasons = {kept.op: kept.reason for kept in report.kept}
    assert case.reason in reasons[case.op]
    assert case.remedy in reasons[case.op]
    assert report.regions, "what is in float32 is taken all the same"


class Pictures(quantization.CalibrationDataReader):
    """Random pictures to calibrate on."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.left = [rng.standard_normal((1, 3, 8, 8)).astype("float32") for _ in range(8)]

    def get_next(self) -> Any:
        return {"x": self.left.pop()} if self.left else None


@pytest.mark.parametrize("kind", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_qdq_models_of_onnx_runtime_compile_and_agree(
    model: Path, tmp_path: Path, kind: str, per_channel: bool
) -> None:
    """Against ONNX Runtime on the same file. Five tensors are quantised, each rounded by up to half
    a step of its range; the softmax at the end makes at most a quarter of what its input is off."""
    path = tmp_path / "qdq.onnx"
    quantization.quantize_static(
        str(model),
        str(path),
        Pictures(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=quantization.QuantType[kind],
        weight_type=quantization.QuantType.QInt8,
    )
    package = tmp_path / "qdq.tar"
    compiled = tvmc_dla("compile", "--target", f"dla, {LLVM}", "--output", package, path)
    assert compiled.returncode == 0, compiled.stderr
    assert "stays with TVM" not in compiled.stderr
    data = np.random.default_rng(6).standard_normal((6, 3, 8, 8)).astype("float32")
    (got,) = tvm_dla.Session(package).run(data)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    want = np.concatenate([session.run(None, {"x": row[np.newaxis]})[0] for row in data])
    scales = [
        onnx.numpy_helper.to_array(tensor).max()
        for tensor in onnx.load(str(path)).graph.initializer
        if tensor.name.endswith("_scale") and not tensor.name.startswith(("w", "b"))
    ]
    half_a_step = max(scales) / 2
    np.testing.assert_allclose(got, want, atol=len(scales) * half_a_step)
    assert np.abs(got - want).max() > 0, "ONNX Runtime rounds, and float32 does not"
    (rounded,) = tvm_dla.Session(package, precision="int8").run(data)
    # Both round, and steps without a zero point are up to twice as wide.
    np.testing.assert_allclose(rounded, want, atol=len(scales) * 3 * half_a_step)
    assert np.abs(rounded - got).max() > 0, "int8 rounds"


def test_tvm_drives_the_rest_of_a_model_in_its_own_integers(tmp_path: Path) -> None:
    """`tvm-dla run` takes the model's uint8 and gives it back; TVM keeps the sums."""
    x = relay.var("x", shape=(2, 3, 8, 8), dtype="uint8")
    y = relay.nn.relu(relay.qnn.op.dequantize(x, f(0.01), i(120)))
    y = relay.nn.relu(relay.cumsum(y, axis=3))
    y = relay.qnn.op.quantize(y, f(0.02), i(7), out_dtype="uint8")
    original = tvm.IRModule.from_expr(relay.Function([x], y))
    partitioned = tvm_dla.partition_for_dla(original)
    report = tvm_dla.partition_report(partitioned)
    assert [kept.op for kept in report.kept] == ["cumsum"] and len(report.regions) == 2
    with tvm.transform.PassContext(opt_level=3):
        tvm_dla.export_library(relay.build(partitioned, target=LLVM), tmp_path / "parts.so")
    rows = np.random.default_rng(7).integers(0, 256, (3, 3, 8, 8)).astype("uint8")
    np.save(tmp_path / "x.npy", rows)

    run = command(
        program(), "run", "parts.so", "--input", "x.npy", "--output", "y.npy", cwd=tmp_path
    )

    assert run.returncode == 0, run.stderr
    filled = [rows[:2], rows[[2, 2]]]
    want = np.concatenate([evaluate(original, {"x": part})[0] for part in filled])[:3]
    assert want.std() > 5, "the integers are spread, so that a mistake shows"
    assert np.abs(np.load(tmp_path / "y.npy") - want).max() <= 1, "where a rounding is a tie"


@pytest.fixture(scope="session")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained, quantised MobileNet V2 as tvmc-dla compiles it."""
    package = tmp_path_factory.mktemp("quantised") / "mobilenet.tar"
    target = f"dla -precision=int8, {LLVM}"
    compiled = tvmc_dla("compile", "--target", target, "--output", package, reference.MODEL)
    assert compiled.returncode == 0, compiled.stderr
    assert "stays with TVM" not in compiled.stderr, "the transpose to NCHW is the plugin's too"
    return package


def golden() -> dict[str, Any]:
    """Scores of TVM's own build, as vectors of uint8."""
    data = json.loads(reference.GOLDEN.read_text())
    assert data["digest"] == reference.digest(), "other inputs: run quantised_reference.py again"
    scores = {name: np.zeros(1001, int) for name in data["scores"]}
    for name, vector in scores.items():
        for index, score in data["scores"][name].items():
            vector[int(index)] = score
    return scores


def test_a_trained_quantised_model_sees_what_tvms_integers_see(mobilenet: Path) -> None:
    """A stock TVM program passes uint8 and gets uint8. The logits have steps of 0.0989, and a
    softmax turns an error of e in each of them into a factor of at most exp(2 e). The integers
    round 64 tensors, independently: we allow two steps of the last."""
    with tvm.transform.PassContext(opt_level=3):
        loaded = tvm.driver.tvmc.TVMCPackage(str(mobilenet))
    library = tvm.runtime.load_module(loaded.lib_path)
    executor = graph_executor.create(loaded.graph, library, tvm.cpu())
    for name, want in golden().items():
        executor.set_input("input", reference.pixels(name))
        executor.run()
        got = executor.get_output(0).numpy()[0]
        assert got.dtype == np.uint8
        assert got.argmax() == want.argmax(), name
        factor = np.exp(2 * 2 * 0.0989)
        assert (got <= want * factor + 1).all(), name
        assert (got >= want / factor - 1).all(), name


def test_the_same_model_takes_any_batch_of_real_numbers(mobilenet: Path) -> None:
    session = tvm_dla.Session(mobilenet)
    (entry,) = session.describe()["inputs"]
    assert entry["shape"] == [1, 224, 224, 3], "the model's own order"
    rows = np.concatenate([reference.pixels(name) for name in reference.PICTURES])
    (got,) = session.run(real_rows().transpose(0, 3, 1, 2))
    assert got.dtype == np.float32
    best = [vector.argmax() for vector in golden().values()]
    assert got.argmax(axis=1).tolist() == best
    np.testing.assert_array_equal(session.run(rows)[0], got, "its integers, as it declares them")


@pytest.fixture(scope="session")
def spelled_out() -> tvm.IRModule:
    """The same model with its integers as float32 between `qnn.quantize` and `qnn.dequantize`."""
    model = tflite.Model.GetRootAsModel(reference.MODEL.read_bytes(), 0)
    mod, params = relay.frontend.from_tflite(model)
    mod["main"] = relay.build_module.bind_params_by_name(mod["main"], params)
    with tvm.transform.PassContext(opt_level=3):
        return passes.simplify(relay.transform.InferType()(mod))


def real_rows() -> Any:
    """The photographs as the real numbers that the model's integers stand for."""
    rows = np.concatenate([reference.pixels(name) for name in reference.PICTURES])
    return (rows.astype("float32") - 128) * 0.0078125


def probabilities(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_reference_in_onnx_runtime_is_tvms_integer_network(spelled_out: tvm.IRModule) -> None:
    """TVM rounds sums of integers where the reference adds real numbers: a step of the logits."""
    got = probabilities(logits(spelled_out, Rounding("model", False), real_rows())) * 256
    factor = np.exp(2 * 0.0989)
    for row, want in zip(got, golden().values()):
        assert (row <= want * factor + 1).all() and (row >= want / factor - 1).all()


def test_int8_adds_the_noise_of_its_steps_and_no_more(
    mobilenet: Path, spelled_out: tvm.IRModule
) -> None:
    """A DLA's INT8 has 127 steps above zero where the model's own integers have 255, which is four
    times the noise power, and rounds the weights once more, which for this model is most of it.
    Close classes may change places (two do, in one photograph), so it is the noise that is held to
    that of the same roundings in ONNX Runtime. Two draws of it, over a few dozen scores that are
    not independent, stay within a factor of two."""
    reals = real_rows()
    exact = logits(spelled_out, Rounding("none", False), reals)
    noise = {
        rounding: logits(spelled_out, rounding, reals) - exact
        for rounding in [Rounding("model", False), Rounding("symmetric", False)]
    }
    own, symmetric = (power(values) for values in noise.values())
    assert own < symmetric < 4 * own, "wider steps"
    rounded = logits(spelled_out, Rounding("symmetric", True), reals)
    assert power(rounded - exact) > 2 * symmetric, "most comes from rounding the weights again"

    (got,) = tvm_dla.Session(mobilenet, precision="int8").run(reals.transpose(0, 3, 1, 2))
    seen = probabilities(exact) > 1 / 1000
    assert seen.sum() > 24
    of = [
        np.log(p[seen]) - np.log(probabilities(exact)[seen]) for p in (got, probabilities(rounded))
    ]
    ours, references = map(power, of)
    assert references / 4 < ours < 4 * references


def power(values: Any) -> float:
    return float((values.astype("float64") ** 2).mean())


def test_int8_of_a_float_model_is_refused_without_ranges(model: Path, tmp_path: Path) -> None:
    package = tmp_path / "float.tar"
    compiled = tvmc_dla("compile", "--target", f"dla, {LLVM}", "--output", package, model)
    assert compiled.returncode == 0, compiled.stderr
    with pytest.raises(tvm_dla.TvmDlaError, match="int8 needs a range"):
        tvm_dla.Session(package, precision="int8").run(np.zeros((1, 3, 8, 8), "float32"))


def test_a_model_of_another_type_is_refused_at_the_call(mobilenet: Path) -> None:
    session = tvm_dla.Session(mobilenet)
    with pytest.raises(tvm_dla.TvmDlaError, match=r"\[N, 3, 224, 224\]"):
        session.run(np.zeros((1, 224, 3, 224), "float32"))
