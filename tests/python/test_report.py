"""What `tvmc-dla compile` says when no node of a model is on a DLA."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
import tvm
from tvm import relay

import tvm_dla

X = relay.var("x", shape=(1, 3, 8, 8))
W = relay.const(np.ones((4, 3, 3, 3), "float32"))


class Case(NamedTuple):
    body: Any
    reason: str | None
    why: str


CASES = [
    Case(relay.nn.relu(relay.nn.conv2d(X, W)), None, "a convolution is on it"),
    Case(relay.nn.relu(X), "`relu_0`: no convolution or pooling makes", "nothing worth it"),
    Case(relay.nn.conv2d(relay.exp(X), W), "`exp_0`: ", "an operator that no DLA has"),
    Case(relay.nn.conv2d(relay.exp(relay.nn.relu(X)), W), "`exp_0`: ", "the cause, not the first"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.why)
def test_no_node_on_a_dla_is_a_warning_with_the_first_reason(case: Case) -> None:
    mod = tvm.IRModule.from_expr(relay.Function([X], case.body))
    text = str(tvm_dla.partition_report(tvm_dla.partition_for_dla(mod)))
    if case.reason is None:
        assert "warning" not in text
    else:
        assert f"warning: no node is on a DLA: {case.reason}" in text
