"""TVM's own passes around the partitioning."""

from __future__ import annotations

from typing import Any

import tvm
from tvm.relay import transform
from tvm.relay.dataflow_pattern import DFPatternCallback, is_op, rewrite, wildcard

from .quantised import spell_out

LAYOUT_OPS = (
    "nn.conv2d",
    "nn.conv2d_transpose",
    "nn.max_pool2d",
    "nn.avg_pool2d",
    "nn.global_max_pool2d",
    "nn.global_avg_pool2d",
)

# Converted before they are spelled out: quantize and dequantize let no layout through.
QNN_LAYOUT_OPS = ("qnn.conv2d", "qnn.conv2d_transpose")

TRANSPOSES = {("NHWC", "NCHW"): (0, 3, 1, 2), ("NCHW", "NHWC"): (0, 2, 3, 1)}


def everything() -> Any:
    """The pass context of the caller, at the level at which ConvertLayout and folding run.

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
    """NCHW and folded constants: what the plugin's converter reads.

    It reads batch_norm and dropout as they are. SimplifyInference would take them apart into
    arithmetic on constants that FoldConstant then compiles and runs one by one, which for a
    ResNet-50 takes as long as the whole build.
    """
    layouts = {op: ["NCHW", "default"] for op in LAYOUT_OPS[:2]}
    layouts.update({op: ["NCHW"] for op in LAYOUT_OPS[2:]})
    layouts.update({op: ["NCHW", "default"] for op in QNN_LAYOUT_OPS})
    steps = [
        transform.RemoveUnusedFunctions(),
        transform.FoldConstant(),
        transform.ConvertLayout(layouts),
        transform.FoldConstant(),
    ]
    mod = tvm.transform.Sequential(steps)(mod)
    mod["main"] = rewrite(_LayoutAsTranspose(), mod["main"])
    mod = transform.InferType()(mod)
    mod["main"] = rewrite(_JoinedTuples(), mod["main"])
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


class _LayoutAsTranspose(DFPatternCallback):
    """What ConvertLayout leaves at the edges, in the operator the converter knows."""

    def __init__(self) -> None:
        super().__init__(rewrite_once=True)
        self.data = wildcard()
        self.pattern = is_op("layout_transform")(self.data)

    def callback(self, pre: Any, post: Any, node_map: Any) -> Any:
        axes = TRANSPOSES.get((str(pre.attrs.src_layout), str(pre.attrs.dst_layout)))
        return post if axes is None else tvm.relay.transpose(node_map[self.data][0], axes)


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
