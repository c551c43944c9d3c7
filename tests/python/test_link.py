"""Exported artifacts load the plugin by themselves, whichever compiler links them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import tvm
from conftest import LLVM, command
from tvm import relay
from tvm.contrib import cc, tar

import tvm_dla

# What compiles for a Jetson on another machine.
CROSS = "aarch64-linux-gnu-g++"


def build(target: str = LLVM) -> Any:
    x = relay.var("x", shape=(1, 3, 8, 8))
    weight = relay.const(np.ones((4, 3, 3, 3), "float32"))
    mod = tvm.IRModule.from_expr(relay.Function([x], relay.nn.relu(relay.nn.conv2d(x, weight))))
    with tvm.transform.PassContext(opt_level=3):
        return relay.build(tvm_dla.partition_for_dla(mod), target)


@pytest.fixture(scope="module")
def built() -> Any:
    return build()


def wrapper(directory: Path) -> str:
    """A compiler of its own name, which notes how it was called."""
    script = directory / "their-g++"
    script.write_text(f'#!/bin/sh\necho "$@" >>{directory}/calls\nexec g++ "$@"\n')
    script.chmod(0o755)
    return str(script)


def own(output: str, objects: list[str], **options: Any) -> None:
    """A function of a user's, with no parameter for options."""
    assert not options
    subprocess.run(["g++", "-shared", "-fPIC", "-o", output, *objects], check=True)


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "nothing said": lambda _: {},
    "cc=": lambda scratch: {"cc": wrapper(scratch)},
    "cc= and options": lambda scratch: {"cc": wrapper(scratch), "options": ["-O1"]},
    "cross_compiler": lambda scratch: {"fcompile": cc.cross_compiler(wrapper(scratch))},
    "cross_compiler with options": lambda scratch: {
        "fcompile": cc.cross_compiler(cc.create_shared, ["-O1"])
    },
    "a function": lambda _: {"fcompile": own},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_compiler_links_the_plugin_each_time(way: str, built: Any, tmp_path: Path) -> None:
    words = WAYS[way](tmp_path)
    for name in ("first.so", "second.so"):
        built.export_library(str(tmp_path / name), **words)
        assert needs_plugin(tmp_path / name)
        assert tvm.runtime.load_module(str(tmp_path / name)).type_key == "GraphExecutorFactory"
    if (tmp_path / "calls").is_file():
        calls = (tmp_path / "calls").read_text().splitlines()
        assert len(calls) == 4, "each export makes the stand-in with the same compiler"


def test_a_cross_compiler_given_twice_works_for_another_machine(tmp_path: Path) -> None:
    if not shutil.which(CROSS):
        pytest.skip(f"there is no {CROSS} (Debian: apt-get install g++-aarch64-linux-gnu)")
    built = build("llvm -mtriple=aarch64-linux-gnu")
    compiler = cc.cross_compiler(CROSS)
    built.export_library(str(tmp_path / "first.so"), fcompile=compiler)
    built.export_library(str(tmp_path / "second.so"), fcompile=compiler)
    built.export_library(str(tmp_path / "third.so"), cc=CROSS)
    for name in ("first.so", "second.so", "third.so"):
        assert needs_plugin(tmp_path / name)
        assert "AArch64" in command("readelf", "-h", tmp_path / name).stdout


@pytest.mark.parametrize("words", [{}, {"fcompile": tar.tar}], ids=["by name", "by compiler"])
def test_objects_are_packed_as_they_are(words: Any, built: Any, tmp_path: Path) -> None:
    built.export_library(str(tmp_path / "objects.tar"), **words)
    names = command("tar", "tf", tmp_path / "objects.tar").stdout.split()
    assert names and all(name.endswith(".o") for name in names)


def needs_plugin(library: Path) -> bool:
    return "Shared library: [libtvm_dla.so]" in command("readelf", "-d", library).stdout
