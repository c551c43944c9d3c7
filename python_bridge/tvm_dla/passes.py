"""TVM's own passes around the partitioning."""

from __future__ import annotations

from typing import Any

import tvm
from tvm.relay import transform
from tvm.relay.dataflow_pattern import DFPatternCallback, is_op, rewrite, wildcard

from .fold import fold_constants
from .quantised import spell_out
from .spelling import respell


def everything() -> Any:
    """The pass context of the caller, at the level at which folding runs.

    TVM 0.9's tvmc partitions at the default level, where they silently do nothing.
    """
    current = tvm.transform.PassContext.current()
    return tvm.transform.PassContext(
        opt_level=3,
        required_pass=list(current.required_pass),
        disabled_pass=list(current.disabled_pass),
        instruments=list(current.instruments),
        config=dict(current.config.items()),
    )


def simplify(mod: Any) -> Any:
    """Folded constants and quantised operators spelled out: what the plugin's converter reads.

    It reads convolutions in any order of axes, and moves transposes itself. It reads batch_norm
    and dropout as they are.
    """
    mod = fold_constants(transform.RemoveUnusedFunctions()(mod))
    mod = transform.InferType()(mod)
    mod["main"] = respell(rewrite(_JoinedTuples(), mod["main"]))
    return spell_out(transform.InferType()(mod))


def split_off(mod: Any, mod_name: str) -> Any:
    """Every region of taken calls as a function of its own with `Compiler="dla"`."""
    steps = [
        transform.AnnotateTarget("dla"),
        transform.MergeCompilerRegions(),
        transform.PartitionGraph(mod_name),
        transform.InferType(),
    ]
    return tvm.transform.Sequential(steps)(mod)


class _JoinedTuples(DFPatternCallback):
    """A concatenation of all results of a call, as one of each of them: a region passes tensors."""

    def __init__(self) -> None:
        super().__init__(rewrite_once=True)
        self.data = wildcard()
        self.pattern = is_op("concatenate")(self.data)

    def callback(self, pre: Any, post: Any, node_map: Any) -> Any:
        joined = post.args[0]
        if isinstance(joined, tvm.relay.Tuple):
            return post
        count = len(pre.args[0].checked_type.fields)
        parts = [tvm.relay.TupleGetItem(joined, index) for index in range(count)]
        return tvm.relay.concatenate(parts, post.attrs.axis)
