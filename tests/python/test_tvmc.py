"""tvmc with the target `dla`, as a user runs it, and its artifacts in a TVM that knows nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tvm
from conftest import (
    BIN,
    INPUT_SHAPE,
    LLVM,
    command,
    evaluate,
    library_in,
    program,
    save_onnx,
    stock,
    tvmc_dla,
)
from onnx import TensorProto, helper, numpy_helper
from tvm import relay

import tvm_dla


@pytest.fixture(scope="module")
def package(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "small.tar"
    done = compile_for(model, path, f"dla -precision=fp16, {LLVM}", "--dump-code", "relay")
    assert done.returncode == 0, done.stderr
    return path


def compile_for(
    model: Path, output: Path, target: str, *more: object
) -> subprocess.CompletedProcess[str]:
    return tvmc_dla("compile", model, "--target", target, "--output", output, *more)


def images() -> np.ndarray:
    return np.random.default_rng(1).standard_normal(INPUT_SHAPE).astype("float32")


def reference(model: Path, x: np.ndarray) -> np.ndarray:
    """What TVM's own LLVM build computes."""
    mod, params = relay.frontend.from_onnx(onnx.load(str(model)), {"x": INPUT_SHAPE})
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(mod, LLVM, params=params)
    executor = tvm.contrib.graph_executor.GraphModule(built["default"](tvm.cpu()))
    executor.run(x=x)
    return executor.get_output(0).numpy()


@pytest.mark.parametrize(
    ("inline", "flags"),
    [
        ("", []),
        (" -precision=fp16 -cores=0,1", []),
        ("", ["--target-dla-chip", "orin", "--target-dla-precision=int8"]),
        (" -precision=int8", ["--target-dla-chip=orin"]),
    ],
    ids=["none", "inline", "flags", "mixed"],
)
def test_options_go_inline_by_flag_or_both(
    inline: str, flags: list[str], model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "m.tar"
    done = compile_for(model, output, f"dla{inline}, {LLVM}", "--dump-code", "relay", *flags)
    assert done.returncode == 0, done.stderr
    assert "in the prefix (GPU and DLA)" in done.stderr
    text = (tmp_path / "m.tar.relay").read_text()
    for value in ("fp16", "int8", "orin"):
        assert (value in text) == (value in inline + " ".join(flags) or value in default_of(text))


def default_of(text: str) -> str:
    return "fp16" if "int8" not in text else ""


@pytest.mark.parametrize(
    ("target", "flags", "complaint"),
    [
        (f"dla -precison=fp16, {LLVM}", [], "`precision`"),
        (f"dla -chip=nano, {LLVM}", [], "xavier"),
        (f"dla, {LLVM}", ["--target-dla-cores=7"], "7"),
        ("dla", [], '--target "dla, llvm"'),
        (f"dla, dla, {LLVM}", [], "-cores=0,1"),
    ],
    ids=["unknown name", "unknown value", "flag value", "no host", "twice"],
)
def test_a_wrong_target_is_one_clean_error(
    target: str, flags: list[str], complaint: str, model: Path, tmp_path: Path
) -> None:
    done = compile_for(model, tmp_path / "m.tar", target, *flags)
    assert done.returncode == 4, done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_of_tvmc_is_there() -> None:
    assert tvmc_dla("--version").stdout.strip() == tvm.__version__
    text = tvmc_dla("--help").stdout
    assert all(word in text for word in ("run", "tune", "compile"))
    assert "--target-dla-gpu_only" in tvmc_dla("compile", "--help").stdout


def test_relay_dump_shows_both_sides(package: Path) -> None:
    text = Path(f"{package}.relay").read_text()
    assert 'Composite="dla.prefix"' in text
    assert 'Composite="dla.suffix"' in text


def test_weights_are_stored_once(package: Path, tmp_path: Path) -> None:
    library_in(package, tmp_path)
    assert not tvm.runtime.load_param_dict((tmp_path / "mod.params").read_bytes())


def test_artifact_runs_in_a_process_that_never_imports_ours(
    package: Path, model: Path, tmp_path: Path
) -> None:
    x = images()
    got = stock(package, tmp_path, {"x": x})
    np.testing.assert_allclose(got, reference(model, x), rtol=1e-4, atol=1e-6)


def test_artifact_names_the_plugin_it_needs(package: Path, tmp_path: Path) -> None:
    dynamic = command("readelf", "-d", library_in(package, tmp_path)).stdout
    assert "Shared library: [libtvm_dla.so]" in dynamic
    assert "$ORIGIN" in dynamic


def test_a_given_compiler_links_the_plugin_too(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.tar"
    done = compile_for(model, output, f"dla, {LLVM}", "--cross-compiler", "gcc")
    assert done.returncode == 0, done.stderr
    dynamic = command("readelf", "-d", library_in(output, tmp_path)).stdout
    assert "Shared library: [libtvm_dla.so]" in dynamic


def test_an_artifact_without_our_target_is_left_alone(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.tar"
    assert compile_for(model, output, LLVM).returncode == 0
    assert "libtvm_dla" not in command("readelf", "-d", library_in(output, tmp_path)).stdout


@pytest.mark.skipif(
    not tvm.__version__.startswith("0.9"),
    reason="`tvmc run` is broken in the wheel of TVM 0.16 itself (RPC server without arguments)",
)
def test_plain_tvmc_runs_the_artifact(package: Path, model: Path, tmp_path: Path) -> None:
    x = images()
    np.savez(tmp_path / "in.npz", x=x)
    words = ["run", package, "--inputs", tmp_path / "in.npz", "--outputs", tmp_path / "out.npz"]
    done = command(BIN / "tvmc", *words)
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "out.npz")["output_0"]
    np.testing.assert_allclose(got, reference(model, x), rtol=1e-4, atol=1e-6)


def test_plain_tvmc_knows_the_target_once_enabled(model: Path, tmp_path: Path) -> None:
    words = [BIN / "tvmc", "compile", model, "--target", f"dla, {LLVM}", "-o", tmp_path / "m.tar"]
    try:
        assert command(BIN / "tvm-dla-tvmc", "enable").returncode == 0
        enabled = command(*words, "--target-dla-precision=int8")
    finally:
        assert command(BIN / "tvm-dla-tvmc", "disable").returncode == 0
    assert enabled.returncode == 0, enabled.stderr
    assert "Composite target dla is not defined" in command(*words).stderr


def test_library_users_get_the_same_artifact(model: Path, tmp_path: Path) -> None:
    mod, params = relay.frontend.from_onnx(onnx.load(str(model)), {"x": INPUT_SHAPE})
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(tvm_dla.partition_for_dla(mod, params), LLVM)
    tvm_dla.export_library(built, tmp_path / "m.so")
    dynamic = command("readelf", "-d", tmp_path / "m.so").stdout
    assert "Shared library: [libtvm_dla.so]" in dynamic


def test_a_library_brings_the_constants_of_what_tvm_kept(tmp_path: Path) -> None:
    """`tvm-dla run` asks for the model's input alone."""
    x = relay.var("x", shape=(2, 3, 8, 8))
    by = relay.const(np.float32([0.3, 0.5, 0.7]).reshape(1, 3, 1, 1))
    y = relay.nn.relu(relay.floor_mod(relay.nn.relu(x), by))
    original = tvm.IRModule.from_expr(relay.Function([x], y))
    partitioned = tvm_dla.partition_for_dla(original)
    assert [kept.op for kept in tvm_dla.partition_report(partitioned).kept] == ["floor_mod"]
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(partitioned, target=LLVM)
    assert len(built.get_params()) == 1, "the constant is a parameter, not code"
    tvm_dla.export_library(built, tmp_path / "parts.so")
    rows = np.random.default_rng(8).standard_normal((2, 3, 8, 8)).astype("float32")
    np.save(tmp_path / "x.npy", rows)
    words = ("run", "parts.so", "--input", "x.npy", "--output", "y.npy")
    done = command(program(), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (want,) = evaluate(original, {"x": rows})
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), want)


@pytest.mark.parametrize("batch", [1, 5])
def test_session_takes_any_batch(batch: int, package: Path, model: Path) -> None:
    x = np.random.default_rng(batch).standard_normal((batch, *INPUT_SHAPE[1:])).astype("float32")
    session = tvm_dla.Session(package)
    assert [entry["name"] for entry in session.describe()["inputs"]] == ["x"]
    runtime = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    want = np.concatenate([runtime.run(None, {"x": row[None]})[0] for row in x])
    np.testing.assert_allclose(session.run({"x": x})[0], want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(session.run(x)[0], want, rtol=1e-4, atol=1e-6)
    assert session.report()


def loop_body() -> onnx.GraphProto:
    """One more each time, as often as the loop says."""
    info = helper.make_tensor_value_info
    ends = [info("go", TensorProto.BOOL, []), info("sum", TensorProto.FLOAT, INPUT_SHAPE)]
    given = [info("turn", TensorProto.INT64, []), *ends]
    made = [info("on", TensorProto.BOOL, []), info("more", TensorProto.FLOAT, INPUT_SHAPE)]
    one = numpy_helper.from_array(np.float32(1), "one")
    nodes = [
        helper.make_node("Identity", ["go"], ["on"]),
        helper.make_node("Add", ["sum", "one"], ["more"]),
    ]
    return helper.make_graph(nodes, "body", given, made, [one])


NOT_FOR_TVM = {
    "rows that are counted at run time": (
        [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("NonZero", ["r"], ["y"])],
        "only at run time",
    ),
    "a loop": (
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("Loop", ["turns", "always", "r"], ["y"], body=loop_body()),
        ],
        "a loop or a branch",
    ),
}


@pytest.mark.parametrize("kind", NOT_FOR_TVM)
def test_what_tvm_cannot_compile_is_said_in_words(kind: str, tmp_path: Path) -> None:
    nodes, says = NOT_FOR_TVM[kind]
    constants = [
        numpy_helper.from_array(np.int64(3), "turns"),
        numpy_helper.from_array(np.bool_(True), "always"),
    ]
    path = save_onnx(tmp_path / "m.onnx", nodes, INPUT_SHAPE, constants)
    done = compile_for(path, tmp_path / "m.tar", f"dla, {LLVM}")
    assert done.returncode != 0 and not (tmp_path / "m.tar").exists()
    assert "Traceback" not in done.stderr and "Error: " in done.stderr, done.stderr
    assert says in done.stderr and "help: " in done.stderr, done.stderr
