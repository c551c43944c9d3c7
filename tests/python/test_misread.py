"""Nodes of ONNX models that TVM's front end reads as another function: named exactly where its
numbers are not those of ONNX Runtime."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import tvm
from onnx import TensorProto, helper, numpy_helper
from onnx_nodes import evaluate
from tvm import relay

from tvm_dla import names
from tvm_dla.misread import misread


class Case(NamedTuple):
    op: str
    shape: list[int]
    weights: dict[str, Any]
    opset: int
    attributes: dict[str, Any]
    wrong: str
    """Where: "always", "early" (TVM 0.9) or "" (nowhere)."""

    def model(self) -> Any:
        inputs = ["x", *self.weights]
        node = helper.make_node(self.op, inputs, ["y"], **self.attributes)
        weights = [numpy_helper.from_array(np.asarray(v), k) for k, v in self.weights.items()]
        ends = [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ]
        graph = helper.make_graph([node], "g", ends[:1], ends[1:], weights)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def noise(*shape: int) -> Any:
    return np.random.default_rng(3).normal(size=shape).astype("float32")


LOW, HIGH = np.float32(-0.5), np.float32(0.5)
MAP = [2, 3, 4, 5]
AXES = {"a": np.array([2, 3])}
CASES = [
    Case("Clip", MAP, {"low": LOW}, 13, {}, "early"),
    Case("Clip", MAP, {"low": LOW, "high": HIGH}, 13, {}, ""),
    Case("Softmax", MAP, {}, 11, {}, "always"),
    Case("Softmax", MAP, {}, 9, {"axis": 2}, "always"),
    Case("Softmax", MAP, {}, 11, {"axis": 3}, ""),
    Case("Softmax", [2, 3, 1, 1], {}, 11, {}, ""),
    Case("Softmax", [2, 6], {}, 9, {}, ""),
    Case("Softmax", MAP, {}, 13, {"axis": 1}, ""),
    Case("LogSoftmax", MAP, {}, 11, {}, "always"),
    Case(
        "ConvTranspose",
        MAP,
        {"w": noise(3, 2, 3, 3)},
        13,
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        "always",
    ),
    Case(
        "ConvTranspose",
        MAP,
        {"w": noise(3, 2, 4, 4)},
        13,
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        "",
    ),
    Case("ConvTranspose", MAP, {"w": noise(3, 2, 3, 3)}, 13, {"strides": [2, 2]}, ""),
    Case("PRelu", [1, 3, 4, 3], {"s": noise(3)}, 13, {}, "always"),
    Case("PRelu", MAP, {"s": noise(3, 1, 1)}, 13, {}, ""),
    Case("ReduceSum", MAP, AXES, 13, {}, "always"),
    Case("ReduceSum", MAP, {"a": np.array([1])}, 13, {}, ""),
    Case("ReduceMean", MAP, {}, 13, {"axes": [2, 3]}, ""),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.op}-{case.opset}-{case.wrong}")
def test_a_node_is_named_where_the_front_end_is_wrong(case: Case, capfd: Any) -> None:
    names.hook_frontends()
    model, x = case.model(), noise(*case.shape)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    want = session.run(None, {"x": x})[0]
    mod, params = relay.frontend.from_onnx(model, {"x": case.shape}, freeze_params=True)
    assert not params
    got = np.asarray(evaluate(mod, {"x": x})[0])
    right = got.shape == want.shape and bool(np.allclose(got, want, atol=1e-4))
    early = tvm.__version__.startswith("0.9")
    assert right == (not case.wrong or (case.wrong == "early" and not early))
    assert [entry.op for entry in misread(model)] == ([] if right else [case.op])
    assert ("results will be wrong" in capfd.readouterr().err) == (not right)
