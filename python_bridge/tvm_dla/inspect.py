"""``python -m tvm_dla.inspect FILE``: where each call of a Relay module would run, as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tvm

from .errors import NothingToOffload, TvmDlaError, message
from .library import function
from .options import canonical
from .partition import partition_for_dla
from .region import is_region
from .register import register
from .report import partition_report


def inspect(mod: Any, **options: Any) -> dict[str, Any]:
    """The options, one report per region, and what stays with TVM.

    Raises what `partition_for_dla` raises.
    """
    register()
    chosen = canonical(options)
    divided = partition_for_dla(mod, **options)
    regions = [f for _, f in sorted(divided.functions.items(), key=_name) if is_region(f)]
    return {
        "options": json.loads(chosen),
        "regions": [json.loads(str(function("describe")(f, chosen))) for f in regions],
        "kept": [asdict(kept) for kept in partition_report(divided).kept],
    }


def read_relay(path: Path) -> Any:
    """A module from Relay's text form, or from the JSON of `tvm.ir.save_json`."""
    text = path.read_text()
    if text.lstrip().startswith("{"):
        return tvm.ir.load_json(text)
    return tvm.parser.fromtext(text) if hasattr(tvm, "parser") else tvm.relay.fromtext(text)


def main(arguments: list[str] | None = None) -> int:
    """Prints one line of JSON. Exit code 2 if the file cannot be read or partitioned."""
    parser = argparse.ArgumentParser(prog="python -m tvm_dla.inspect", description=__doc__)
    parser.add_argument("file", type=Path, help="Relay as text, or as JSON of tvm.ir.save_json")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(arguments)
    options = dict(option.partition("=")[::2] for option in args.option)
    try:
        answer = inspect(read_relay(args.file), **options)
    except NothingToOffload as error:
        return _fail(str(error))
    except (OSError, UnicodeDecodeError, TvmDlaError, tvm.TVMError) as error:
        return _fail(message(error))
    print(json.dumps(answer))
    return 0


def _fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 2


def _name(item: tuple[Any, Any]) -> str:
    return str(item[0].name_hint)


if __name__ == "__main__":
    sys.exit(main())
