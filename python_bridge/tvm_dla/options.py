"""The options of the target: strings from tvmc, anything reasonable from Python."""

from __future__ import annotations

import json
from typing import Any

import tvm

from .errors import OptionError, message
from .library import function

CONFIG_KEY = "relay.ext.dla.options"

# A version is written with dots; every other list with commas.
_SEPARATORS = {"tensorrt": "."}


def canonical(options: dict[str, Any]) -> str:
    """The options as the plugin's canonical JSON.

    Raises OptionError for an unknown name (it names the nearest one) or a value out of range.
    """
    strings = {name: _text(name, value) for name, value in options.items() if value is not None}
    given = {name: text for name, text in strings.items() if text != ""}
    try:
        return str(function("parse_options")(json.dumps(given)))
    except (tvm.TVMError, ValueError) as error:
        raise OptionError(message(error)) from error


def _text(name: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return _SEPARATORS.get(name, ",").join(str(item) for item in value)
    return str(value)
