"""Outputs have the names of the model's file, in every command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tflite
import tvm
from conftest import LLVM, command, program, tvmc_dla
from onnx import TensorProto, helper, numpy_helper
from test_serve import PROTOCOLS, Served
from tflite_model import TfliteModel
from tvm import relay

import tvm_dla

NAMES = ["scores/raw:0", "best", "kept"]


@pytest.fixture(scope="module")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with two outputs, and behind it what TVM keeps, in integers."""
    rng = np.random.default_rng(5)
    weight = (rng.standard_normal((4, 3, 3, 3)) * 0.2).astype("float32")
    axis = numpy_helper.from_array(np.int64(2), "axis")
    nodes = [
        helper.make_node("Conv", ["x", "w"], [NAMES[0]], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", [NAMES[0]], [NAMES[2]]),
        helper.make_node("CumSum", [NAMES[2], "axis"], ["sums"]),
        helper.make_node("Cast", ["sums"], [NAMES[1]], to=TensorProto.INT64),
    ]
    real = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, 4, 8, 8)) for n in NAMES[::2]]
    whole = helper.make_tensor_value_info(NAMES[1], TensorProto.INT64, (1, 4, 8, 8))
    graph = helper.make_graph(
        nodes,
        "named",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 8, 8))],
        [real[0], whole, real[1]],
        [numpy_helper.from_array(weight, "w"), axis],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    path = tmp_path_factory.mktemp("names") / "named.onnx"
    onnx.save(made, str(path))
    return path


@pytest.fixture(scope="module")
def artifact(onnx_model: Path) -> Path:
    path = onnx_model.with_suffix(".tar")
    done = tvmc_dla("compile", onnx_model, "--target", f"dla, {LLVM}", "-o", path)
    assert done.returncode == 0, done.stderr
    return path


def answer(*words: object, cwd: Path) -> Any:
    done = command(program(), "--json", *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_files_have_the_names_and_the_types_of_the_model(
    artifact: Path, onnx_model: Path, tmp_path: Path
) -> None:
    x = np.random.default_rng(2).standard_normal((3, 3, 8, 8)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    session = onnxruntime.InferenceSession(str(onnx_model), providers=["CPUExecutionProvider"])
    want = [np.concatenate(o) for o in zip(*(session.run(None, {"x": r[None]}) for r in x))]
    for words in (["run", artifact, "--input"], ["stream", artifact, "--source"]):
        line = [*words, "x.npy", "--output", "y.npz", "--precision", "fp32"]
        answer(*line, cwd=tmp_path)
        got = np.load(tmp_path / "y.npz")
        assert list(got) == NAMES, words
        assert [got[name].dtype for name in NAMES] == [w.dtype for w in want]
        np.testing.assert_allclose(got[NAMES[0]], want[0], rtol=1e-4, atol=1e-5)
        assert np.mean(got[NAMES[1]] == want[1]) > 0.99, "sums may round to the other side"
    shown = answer("run", artifact, "--input", "x.npy", cwd=tmp_path)
    assert shown["output_names"] == NAMES


def test_python_sessions_give_the_types_of_the_model(artifact: Path, onnx_model: Path) -> None:
    x = np.random.default_rng(3).standard_normal((1, 3, 8, 8)).astype("float32")
    oracle = onnxruntime.InferenceSession(str(onnx_model), providers=["CPUExecutionProvider"])
    got = tvm_dla.Session(artifact).run(x)
    for ours, theirs in zip(got, oracle.run(None, {"x": x})):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape


def test_python_sessions_take_and_give_halves(tmp_path: Path) -> None:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT16, (1, 3, *sides))
        for name, sides in [("x", (8, 8)), ("y", (4, 4))]
    ]
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2, 2])
    made = helper.make_model(
        helper.make_graph([pool], "halves", ends[:1], ends[1:]),
        opset_imports=[helper.make_opsetid("", 13)],
    )
    made.ir_version = 8
    model, package = tmp_path / "halves.onnx", tmp_path / "halves.tar"
    onnx.save(made, str(model))
    done = tvmc_dla("compile", model, "--target", f"dla, {LLVM}", "-o", package)
    assert done.returncode == 0, done.stderr
    session = tvm_dla.Session(package)
    assert [end["dtype"] for end in session.describe()["inputs"]] == ["float16"]
    x = np.random.default_rng(4).standard_normal((5, 3, 8, 8)).astype("float16")
    for given in (x, x.astype("float32")):
        (y,) = session.run(given)
        assert y.dtype == np.float16
        np.testing.assert_array_equal(y, x.reshape(5, 3, 4, 2, 4, 2).max((3, 5)))


def test_inspect_export_and_python_sessions_say_the_names(artifact: Path, tmp_path: Path) -> None:
    inspected = answer("inspect", artifact, cwd=tmp_path)
    assert [output["name"] for output in inspected["outputs"]] == NAMES
    assert {o["name"] for o in inspected["networks"][0]["outputs"]} == {NAMES[0], NAMES[2]}
    exported = answer("export", artifact, "--onnx", "out", cwd=tmp_path)
    given = {output["name"] for stage in exported["stages"] for output in stage["outputs"]}
    assert {NAMES[0], NAMES[2]} <= given
    for stage in exported["stages"]:
        onnx.checker.check_model(str(tmp_path / stage["onnx"]))
    described = tvm_dla.Session(artifact).describe()
    assert [output["name"] for output in described["outputs"]] == NAMES


def tflite_file(path: Path) -> Path:
    model = TfliteModel()
    x, y = model.tensor((1, 8, 8, 3)), model.tensor((1, 8, 8, 4))
    weight = model.tensor((4, 1, 1, 3), data=np.ones((4, 1, 1, 3)))
    bias = model.tensor((4,), data=np.zeros(4))
    options = {"Padding": 1, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}
    model.operator("CONV_2D", [x, weight, bias], y, **options)
    return model.save(path, [x], [y])


def test_tflite_names_come_through_tvmc(tmp_path: Path) -> None:
    path, package = tflite_file(tmp_path / "m.tflite"), tmp_path / "m.tar"
    done = tvmc_dla("compile", path, "--target", f"dla, {LLVM}", "-o", package)
    assert done.returncode == 0, done.stderr
    inspected = answer("inspect", package, cwd=tmp_path)
    assert [output["name"] for output in inspected["networks"][0]["outputs"]] == ["t1"]


def options_of(mod: tvm.IRModule) -> list[Any]:
    attrs = [f.attrs for f in mod.functions.values() if f.attrs and "dla_options" in f.attrs.keys()]
    return [json.loads(str(a["dla_options"])).get("outputs") for a in attrs]


def test_importers_of_this_process_note_them(onnx_model: Path, tmp_path: Path) -> None:
    mod, params = relay.frontend.from_onnx(onnx.load(str(onnx_model)), {"x": (1, 3, 8, 8)})
    assert options_of(tvm_dla.partition_for_dla(mod, params)) == [NAMES]
    path = tflite_file(tmp_path / "m.tflite")
    mod, params = relay.frontend.from_tflite(tflite.Model.GetRootAsModel(path.read_bytes(), 0))
    assert options_of(tvm_dla.partition_for_dla(mod, params)) == [["t1"]]


def relay_module() -> tvm.IRModule:
    x = relay.var("x", shape=(1, 3, 8, 8))
    y = relay.nn.max_pool2d(x, (2, 2), (2, 2))
    return tvm.IRModule.from_expr(relay.Function([x], relay.Tuple([y, relay.nn.relu(y)])))


def test_names_can_be_given_and_are_not_made_up() -> None:
    mod = relay_module()
    assert options_of(tvm_dla.partition_for_dla(mod)) == [None]
    given = tvm_dla.partition_for_dla(mod, output_names=["pooled", "rectified"])
    assert options_of(given) == [["pooled", "rectified"]]
    for wrong in (["one"], ["same", "same"], ["", "other"], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="each of 2 outputs"):
            tvm_dla.partition_for_dla(mod, output_names=wrong)


def test_a_name_that_a_tensor_of_the_network_has_is_the_outputs(tmp_path: Path) -> None:
    mod = tvm_dla.partition_for_dla(relay_module(), output_names=["relu", "x2"])
    with tvm.transform.PassContext(opt_level=3):
        tvm_dla.export_library(relay.build(mod, LLVM), tmp_path / "m.so")
    np.save(tmp_path / "x.npy", np.float32(np.arange(192).reshape(1, 3, 8, 8) - 90))
    done = command(program(), "run", "m.so", "--input", "x.npy", "--output", "y.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "y.npz")
    assert list(got) == ["relu", "x2"]
    np.testing.assert_array_equal(np.maximum(got["relu"], 0), got["x2"])
    assert got["relu"].min() < 0


def test_serve_has_names_and_types(artifact: Path, tmp_path: Path) -> None:
    server = Served(artifact, "--precision", "fp32")
    try:
        for protocol in ("http", "grpc"):
            client = server.client(protocol)
            options = {} if protocol == "http" else {"as_json": True}
            metadata = client.get_model_metadata("named", **options)
            outputs = [(o["name"], o["datatype"]) for o in metadata["outputs"]]
            assert outputs == list(zip(NAMES, ["FP32", "INT64", "FP32"]))
            asked = PROTOCOLS[protocol].InferInput("x", [2, 3, 8, 8], "FP32")
            asked.set_data_from_numpy(np.ones((2, 3, 8, 8), "float32"))
            got = client.infer("named", [asked])
            assert got.as_numpy("best").dtype == np.int64
            assert got.as_numpy("best").shape == (2, 4, 8, 8)
        body = {"inputs": [{"name": "x", "shape": [1, 3, 8, 8], "datatype": "FP32"}]}
        body["inputs"][0]["data"] = [1.0] * 192
        line = ["curl", "-s", "-d", json.dumps(body)]
        url = f"http://{server.addresses['http']}/v2/models/named/infer"
        done = subprocess.run([*line, url], capture_output=True, text=True, check=True)
        best = json.loads(done.stdout)["outputs"][1]
        assert best["datatype"] == "INT64" and all(isinstance(v, int) for v in best["data"])
    finally:
        assert server.stop() == 0
