"""What the plugin makes of a Relay module: ``python -m tvm_dla.inspect FILE [name=value ...]``.

FILE is Relay as text or as TVM's JSON. Prints one JSON object: the networks with every node's
verdict, and what stays with TVM. `tvm-dla inspect --relay` shows it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tvm

from .errors import TvmDlaError
from .library import function
from .partition import partition_for_dla
from .region import attribute, is_region
from .report import partition_report


def inspect(mod: Any, **options: Any) -> dict[str, Any]:
    """The report on `mod`, whose `main` has static shapes."""
    mod = partition_for_dla(mod, **options)
    mod = tvm.relay.transform.InferType()(mod)
    regions = [func for _, func in mod.functions.items() if is_region(func)]
    networks = [
        json.loads(str(function("describe")(func, attribute(func, "dla_options"))))
        for func in sorted(regions, key=lambda func: str(attribute(func, "global_symbol")))
    ]
    return {"networks": networks, "kept": [asdict(k) for k in partition_report(mod).kept]}


def read(path: Path) -> Any:
    """A module from a file of either form."""
    text = path.read_text()
    if text.lstrip().startswith("{"):
        return tvm.ir.load_json(text)
    parser = getattr(tvm, "parser", None) or tvm.relay
    return parser.fromtext(text)


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        options = dict(entry.split("=", 1) for entry in sys.argv[2:])
        print(json.dumps(inspect(read(Path(sys.argv[1])), **options)))
    except (OSError, ValueError, TvmDlaError, tvm.TVMError) as error:
        print(f"{sys.argv[1]}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
