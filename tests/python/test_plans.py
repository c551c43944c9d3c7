"""Which plan a network gets inside TVM, and from a `.tar` or a `.so` anywhere."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from conftest import LLVM, command, program, tvmc_dla
from tvm import relay

import tvm_dla

# A TVM program that knows nothing of us.
STOCK = """
import sys
import numpy as np
import tvm
from tvm.contrib import graph_executor

library = tvm.runtime.load_module(sys.argv[1])
executor = graph_executor.GraphModule(library["default"](tvm.cpu()))
executor.set_input("x", np.load(sys.argv[2]))
executor.run()
np.save(sys.argv[3], executor.get_output(0).numpy())
"""
ROWS = 4
BESIDE, EMBEDDED, ASKED = "gpu=2x1,dla0=2x1", "gpu=1x2,dla1=1x2", "gpu=3x1,dla0=1x1"


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`net.tar`, `net.so`, a tuning of each, rows in `x.npy`, what becomes of them in `y.npy`."""
    made = tmp_path_factory.mktemp("plans")
    shape = (ROWS, 3, 8, 8)
    target = ("--target", f"dla, {LLVM}", "--input-shapes", f"x:{list(shape)}".replace(" ", ""))
    done = tvmc_dla("compile", model, *target, "-o", made / "net.tar")
    assert done.returncode == 0, done.stderr
    mod, params = relay.frontend.from_onnx(onnx.load(str(model)), shape={"x": shape})
    with tvm.transform.PassContext(opt_level=3):
        built = relay.build(tvm_dla.partition_for_dla(mod, params), target=LLVM)
    tvm_dla.export_library(built, made / "net.so")
    np.save(made / "x.npy", np.random.default_rng(5).uniform(-1, 1, shape).astype(np.float32))
    for kind in ("tar", "so"):
        artifact, plans = made / f"net.{kind}", made / f"{kind}.json"
        tuned = ("tune", artifact, "--batch", ROWS, "--measure", 1, "--output", plans)
        done = command(program(), *tuned, "--log", made / f"{kind}.jsonl")
        assert done.returncode == 0, done.stderr
    said = stock(made / "net.so", made, "y.npy")
    assert said == f"plan gpu={ROWS}x1,suffix={ROWS}, an equal deal"
    return made


def stock(library: Path, made: Path, output: str, **variables: str) -> str:
    """What a stock TVM process says of plans when it runs `library`."""
    program = (sys.executable, "-c", STOCK)
    files = (library, made / "x.npy", made / output)
    done = command(*program, *files, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("tvm-dla: ")]
    return "\n".join(line[9:] for line in said if "plan" in line)


def tuning(made: Path, kind: str, name: str, plan: str, **changes: str) -> Path:
    """The tuning of `net.tar` or `net.so` with this plan in place of its own."""
    file = json.loads((made / f"{kind}.json").read_text())
    (own,) = file["plans"]
    shares = [part.split("=") for part in plan.split(",")]
    prefix = [
        {"device": device, "batch": int(rounds[0]), "rounds": int(rounds[2])}
        for device, rounds in shares
    ]
    changed = {"version": own["version"], "prefix": prefix, "suffix_batch": ROWS}
    path = made / name
    path.write_text(json.dumps({**file, "plans": [changed], **changes}))
    return path


def embed(artifact: Path, plan: str) -> None:
    done = command(program(), "embed-plan", artifact, "--plan", plan)
    assert done.returncode == 0, done.stderr


def test_a_stock_process_takes_the_plan_beside_or_in_the_library(folder: Path) -> None:
    want = np.load(folder / "y.npy")
    library = folder / "mine" / "net.so"
    library.parent.mkdir()
    shutil.copy(folder / "net.so", library)
    embed(library, EMBEDDED)
    beside = library.with_suffix(".plan.json")

    def check(said: str, plan: str, origin: str) -> None:
        assert said.splitlines()[-1] == f"plan {plan},suffix={ROWS}, {origin}"
        np.testing.assert_allclose(np.load(folder / "z.npy"), want, atol=1e-6)

    check(stock(library, folder, "z.npy"), EMBEDDED, "embedded in the artifact")
    shutil.copy(tuning(folder, "so", "beside.json", BESIDE), beside)
    check(stock(library, folder, "z.npy"), BESIDE, f"from {beside}")
    asked = {"TVM_DLA_PLAN": ASKED}
    check(stock(library, folder, "z.npy", **asked), ASKED, "as asked for")
    named = {"TVM_DLA_PLAN": str(tuning(folder, "so", "named.json", ASKED))}
    check(stock(library, folder, "z.npy", **named), ASKED, f"from {named['TVM_DLA_PLAN']}")

    for change, reason in (
        ({"board": "Jetson"}, "another board"),
        ({"artifact": "0"}, "another network"),
    ):
        other = tuning(folder, "so", "other.json", BESIDE, **change)
        shutil.copy(other, beside)
        said = stock(library, folder, "z.npy")
        assert f"{beside} is not used: these plans are for {reason}" in said
        check(said, EMBEDDED, "embedded in the artifact")
        refused = {"TVM_DLA_PLAN": str(other)}
        with pytest.raises(AssertionError, match=f"these plans are for {reason}"):
            stock(library, folder, "z.npy", **refused)


@pytest.mark.parametrize("kind", ["tar", "so"])
def test_a_session_and_run_take_the_same_plan(folder: Path, tmp_path: Path, kind: str) -> None:
    artifact = tmp_path / f"net.{kind}"
    shutil.copy(folder / f"net.{kind}", artifact)
    rows, want = np.load(folder / "x.npy"), np.load(folder / "y.npy")

    def used() -> tuple[str, str]:
        session = tvm_dla.Session(artifact)
        (result,) = session.run(rows)
        np.testing.assert_allclose(result, want, atol=1e-6)
        report = session.report()
        words = ("--json", "run", artifact, "-i", folder / "x.npy")
        done = command(program(), *words)
        assert done.returncode == 0, done.stderr
        ran = json.loads(done.stdout)
        assert (ran["plan"], ran["plan_from"]) == (report["plan"], report["plan_from"])
        return report["plan"].replace(f",suffix={ROWS}", ""), report["plan_from"]

    assert used()[1] == "an equal deal"
    embed(artifact, EMBEDDED)
    assert used() == (EMBEDDED, "embedded in the artifact")
    beside = artifact.with_suffix(".plan.json")
    shutil.copy(tuning(folder, kind, "beside.json", BESIDE), beside)
    assert used() == (BESIDE, f"from {beside}")
    report = tvm_dla.Session(artifact, plan=ASKED)
    report.run(rows)
    assert report.report()["plan_from"] == "as asked for"


def test_tvmc_runs_a_package_with_its_embedded_plan(folder: Path, tmp_path: Path) -> None:
    if not tvm.__version__.startswith("0.9"):
        pytest.skip("tvmc run of the 0.16 wheel is broken in the wheel itself")
    package = tmp_path / "net.tar"
    shutil.copy(folder / "net.tar", package)
    embed(package, EMBEDDED)
    np.savez(tmp_path / "x.npz", x=np.load(folder / "x.npy"))
    done = tvmc_dla("run", package, "-i", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert done.returncode == 0, done.stderr
    assert f"plan {EMBEDDED},suffix={ROWS}, embedded in the artifact" in done.stderr
    result = np.load(tmp_path / "y.npz")["output_0"]
    np.testing.assert_allclose(result, np.load(folder / "y.npy"), atol=1e-6)


def test_a_board_that_is_named_embeds_plans_of_its_model(model: Path, tmp_path: Path) -> None:
    package = tmp_path / "net.tar"
    shape = ("--input-shapes", f"x:[{ROWS},3,8,8]")
    target = f"dla -board=agx-orin -power=30W, {LLVM}"
    done = tvmc_dla("compile", model, "--target", target, *shape, "-o", package)
    assert done.returncode == 0, done.stderr
    bundle = package.read_bytes()
    assert b'"title":"Jetson AGX Orin 64GB, 30W"' in bundle
    assert b'"chip":"orin"' in bundle
    # Emulated devices are alike: what a board's model says means nothing to them.
    x = np.zeros((ROWS, 3, 8, 8), np.float32)
    session = tvm_dla.Session(package)
    session.run(x)
    assert session.report()["plan_from"] == "an equal deal"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("-board=orin", "no board `orin`; the nearest is"),
        ("-board=agx-orin -power=12W", "has no power mode `12W`"),
        ("-board=agx-orin -chip=xavier", "is of the chip orin: leave chip out"),
        ("-power=15W", "name it with the option board"),
    ],
)
def test_boards_that_do_not_exist_are_refused(
    options: str, complaint: str, model: Path, tmp_path: Path
) -> None:
    target = ("--target", f"dla {options}, {LLVM}", "--input-shapes", f"x:[{ROWS},3,8,8]")
    done = tvmc_dla("compile", model, *target, "-o", tmp_path / "net.tar")
    assert done.returncode == 4, done.stderr
    assert complaint in done.stderr
