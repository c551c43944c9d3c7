"""The patches: nothing but insertions of ours, and plain tvmc knows the target with them."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest
import tvm
from conftest import LLVM, command, library_in

ROOT = Path(__file__).parents[2]
PATCHES = sorted((ROOT / "patches").glob("*.patch"))
PATCHED = "tvm/driver/tvmc/__init__.py"
# That file in Apache's tags v0.9.0 and v0.18.0; the wheels carry it unchanged.
UPSTREAM = "623299c5696ad62f07170e552b4b5426bdf0fbc79feb8d361528993ecf2a8516"


@pytest.fixture
def source_tree(tmp_path: Path) -> Path:
    """`python/tvm` as links to the installed TVM, with tvmc's own files as copies."""
    installed = Path(tvm.__file__).parent
    tree = tmp_path / "python" / "tvm"
    for folder, copied in (("", "driver"), ("driver", "tvmc")):
        (tree / folder).mkdir(parents=True)
        for entry in (installed / folder).iterdir():
            if entry.name not in (copied, "__pycache__"):
                (tree / folder / entry.name).symlink_to(entry)
    shutil.copytree(installed / "driver" / "tvmc", tree / "driver" / "tvmc")
    return tmp_path


def test_there_is_one_for_each_promised_version() -> None:
    assert [p.name for p in PATCHES] == ["tvm-0.18.0.patch", "tvm-0.9.0.patch"]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: p.stem)
def test_it_inserts_and_holds_no_line_of_tvm(patch: Path) -> None:
    lines = patch.read_text().splitlines()
    body = lines[next(i for i, line in enumerate(lines) if line.startswith("+++ ")) + 1 :]
    assert body
    assert all(line.startswith(("+", "@@")) for line in body)
    assert all(",0 +" in line for line in body if line.startswith("@@"))


def test_the_installed_file_is_the_one_of_both_tags() -> None:
    installed = Path(tvm.__file__).parent.parent / PATCHED
    assert hashlib.sha256(installed.read_bytes()).hexdigest() == UPSTREAM


@pytest.mark.parametrize("tool", [["patch", "-p1", "-i"], ["git", "apply", "--unidiff-zero"]])
@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: p.stem)
def test_plain_tvmc_compiles_with_it(
    patch: Path, tool: list[str], source_tree: Path, model: Path
) -> None:
    applied = command(*tool, patch, cwd=source_tree)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    env = {**os.environ, "PYTHONPATH": str(source_tree / "python")}
    output = source_tree / "m.tar"
    words = ["compile", model, "--target", f"dla -precision=fp16, {LLVM}", "-o", output]
    done = command(sys.executable, "-m", "tvm.driver.tvmc", *words, env=env)
    assert done.returncode == 0, done.stderr
    dynamic = command("readelf", "-d", library_in(output, source_tree)).stdout
    assert "Shared library: [libtvm_dla.so]" in dynamic
