"""TVM's target ``dla``: run a model on the GPU and both DLA cores of an NVIDIA Jetson at once.

This package is thin: which operator runs where, and what the options mean, is decided by the Rust
plugin beside it (``libtvm_dla.so``). Here are only TVM's own passes, in the right order, and the
seams into tvmc and ``export_library``.
"""

from __future__ import annotations

from .errors import DynamicShape, NothingToOffload, OptionError, TvmDlaError
from .link import export_library
from .partition import partition_for_dla
from .register import register
from .report import Kept, Region, Report, partition_report
from .session import Session

__all__ = [
    "DynamicShape",
    "Kept",
    "NothingToOffload",
    "OptionError",
    "Region",
    "Report",
    "Session",
    "TvmDlaError",
    "export_library",
    "partition_for_dla",
    "partition_report",
    "register",
]
