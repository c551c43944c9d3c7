"""``tvm-dla-tvmc enable|disable``: whether the stock ``tvmc`` of this environment knows ``dla``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .library import DIRECTORY

# Python runs the line at every start; it must not fail once the package is gone.
LINE = "import importlib.util as u; u.find_spec('tvm_dla_hook') and __import__('tvm_dla_hook')\n"


def hook_file(packages: Path = DIRECTORY.parent) -> Path:
    """The file in site-packages that turns the hook on by being there."""
    return packages / "tvm_dla_tvmc.pth"


def main(argv: list[str] | None = None) -> None:
    """The command. Exit code 2 if the environment cannot be written."""
    parser = argparse.ArgumentParser(prog="tvm-dla-tvmc", description=__doc__)
    parser.add_argument("action", choices=["enable", "disable", "status"])
    action = parser.parse_args(argv).action
    file = hook_file()
    try:
        if action == "enable":
            file.write_text(LINE)
        elif action == "disable" and file.exists():
            file.unlink()
    except OSError as error:
        sys.exit(_fail(f"cannot change {file}: {error.strerror}"))
    print(f"tvmc knows the target dla: {'yes' if file.exists() else 'no'} ({file})")


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 2
