"""Bad input to the Python side: refused with where, what, and what to do."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tvm
from conftest import INPUT_SHAPE, LLVM, command, const, save_onnx, tvmc_dla
from onnx import helper
from tvm import relay

import tvm_dla

INSTALLED = Path(tvm_dla.__file__).parent


@pytest.mark.parametrize("batch", [relay.Any(), tvm.tir.Var("n", "int32")], ids=["any", "var"])
def test_dynamic_shape_names_the_input(batch: object, rng: np.random.Generator) -> None:
    x = relay.var("photo", shape=(batch, 3, 8, 8))
    mod = tvm.IRModule.from_expr(relay.nn.conv2d(x, const(rng, 4, 3, 3, 3)))
    with pytest.raises(
        tvm_dla.DynamicShape, match=r"`photo` has the dynamic shape \(\?, 3, 8, 8\)"
    ):
        tvm_dla.partition_for_dla(mod)


def test_dynamic_shape_through_tvmc(tmp_path: Path) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    model = save_onnx(tmp_path / "m.onnx", nodes, ("n", 3, 8, 8), [])
    target = f"dla, {LLVM}"
    words = ["compile", model, "--target", target, "-o", tmp_path / "m.tar"]
    refused = tvmc_dla(*words)
    assert refused.returncode == 4, refused.stderr
    assert '--input-shapes "x:[1, 3, 8, 8]"' in refused.stderr
    fixed = tvmc_dla(*words, "--input-shapes", "x:[1, 3, 8, 8]")
    assert fixed.returncode == 0, fixed.stderr


def test_nothing_to_offload_gives_the_reasons() -> None:
    x = relay.var("x", shape=INPUT_SHAPE)
    mod = tvm.IRModule.from_expr(relay.reverse(relay.reverse(x, axis=2), axis=3))
    with pytest.raises(tvm_dla.NothingToOffload, match=r"reverse \(2x\): \w+"):
        tvm_dla.partition_for_dla(mod)


def test_nothing_to_offload_through_tvmc(tmp_path: Path) -> None:
    nodes = [helper.make_node("Sign", ["x"], ["y"])]
    model = save_onnx(tmp_path / "m.onnx", nodes, INPUT_SHAPE, [])
    done = tvmc_dla("compile", model, "--target", f"dla, {LLVM}", "-o", tmp_path / "m.tar")
    assert done.returncode == 4, done.stderr
    assert "sign (1x): " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"precison": "fp16"}, "precision"),
        ({"gpu": "softmax"}, "gpu_only"),
        ({"precision": "fp32"}, "fp16"),
        ({"cores": [0, 5]}, "5"),
        ({"tensorrt": "eight"}, "eight"),
    ],
    ids=lambda value: str(value),
)
def test_options_that_do_not_exist(options: dict[str, object], complaint: str) -> None:
    x = relay.var("x", shape=INPUT_SHAPE)
    with pytest.raises(tvm_dla.OptionError, match=complaint) as refused:
        tvm_dla.partition_for_dla(tvm.IRModule.from_expr(relay.nn.relu(x)), **options)
    assert "Traceback" not in str(refused.value)


def test_pass_config_refuses_unknown_fields() -> None:
    with pytest.raises((AttributeError, tvm.TVMError), match="precison"):
        tvm.transform.PassContext(config={"relay.ext.dla.options": {"precison": "fp16"}})


def test_report_of_a_module_that_is_not_ours() -> None:
    x = relay.var("x", shape=INPUT_SHAPE)
    with pytest.raises(ValueError, match="partition_for_dla"):
        tvm_dla.partition_report(tvm.IRModule.from_expr(relay.nn.relu(x)))


@pytest.fixture
def own_copy(tmp_path: Path) -> Path:
    """The installed package, to be damaged."""
    shutil.copytree(INSTALLED, tmp_path / "tvm_dla")
    return tmp_path / "tvm_dla"


def register_in(copy: Path) -> str:
    """What `tvm_dla.register()` fails with when the package is `copy`."""
    env = {**os.environ, "PYTHONPATH": str(copy.parent)}
    code = "import tvm_dla\ntry: tvm_dla.register()\nexcept ImportError as e: print(e)"
    done = command(sys.executable, "-c", code, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("missing", ["libtvm_dla.so", "libtvm_dla_compile.so", "built_for.json"])
def test_plugin_missing(missing: str, own_copy: Path) -> None:
    (own_copy / missing).unlink()
    text = register_in(own_copy)
    assert missing in text
    assert f"TVM {tvm.__version__}" in text
    assert f"scripts/build_plugin {sys.executable}" in text


def test_plugin_built_for_another_tvm(own_copy: Path) -> None:
    (own_copy / "built_for.json").write_text(json.dumps({"tvm": "0.7.0"}))
    text = register_in(own_copy)
    assert "was built for TVM 0.7.0" in text
    assert f"this is TVM {tvm.__version__}" in text
    assert f"scripts/build_plugin {sys.executable}" in text


def test_plugin_that_is_no_library(own_copy: Path) -> None:
    (own_copy / "libtvm_dla.so").write_bytes(b"not ELF")
    text = register_in(own_copy)
    assert "cannot load" in text
    assert f"scripts/build_plugin {sys.executable}" in text


@pytest.mark.parametrize("how", ["missing", "directory", "text"])
def test_session_of_something_that_is_no_artifact(how: str, tmp_path: Path) -> None:
    path = tmp_path / "model.tar"
    if how == "directory":
        path.mkdir()
    elif how == "text":
        path.write_text("hello")
    with pytest.raises(tvm_dla.TvmDlaError, match=r"model\.tar"):
        tvm_dla.Session(path)


@pytest.fixture(scope="module")
def session(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tvm_dla.Session:
    path = tmp_path_factory.mktemp("session") / "m.tar"
    done = tvmc_dla("compile", model, "--target", f"dla, {LLVM}", "-o", path)
    assert done.returncode == 0, done.stderr
    return tvm_dla.Session(path)


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ([np.zeros(INPUT_SHAPE, "float32")] * 2, "2 arrays given"),
        ({"photo": np.zeros(INPUT_SHAPE, "float32")}, "`photo` does not exist"),
        ({}, "`x` is missing"),
        (np.zeros((1, 3, 9, 8), "float32"), "9"),
        (np.zeros(INPUT_SHAPE, "float64"), "float64"),
        (np.zeros((0, 3, 8, 8), "float32"), "no rows"),
    ],
    ids=["number", "name", "none", "shape", "dtype", "batch 0"],
)
def test_wrong_arrays_leave_the_session_usable(
    inputs: object, complaint: str, session: tvm_dla.Session
) -> None:
    with pytest.raises((tvm_dla.TvmDlaError, ValueError), match=complaint) as refused:
        session.run(inputs)
    assert "Traceback" not in str(refused.value)
    assert session.run(np.zeros(INPUT_SHAPE, "float32"))[0].shape == (1, 10)
