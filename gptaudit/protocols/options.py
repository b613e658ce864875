"""Options of backends and engines: `-b KEY=VALUE`.

An option that is a `Mapping` is given entry by entry: `-b header.X-Title=audit -b header.X-Team=red`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True)
class NoOptions:
    """No options."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Options of targets that only generate text."""

    chat: bool = False
    """Whether it is a chat model, so that probes that need one ask it."""


def option_names(options: type) -> list[str]:
    """Return the names of the options in a dataclass, that of a mapping as `NAME.KEY`."""
    mappings = _mappings(options)
    return [f"{field.name}.KEY" if field.name in mappings else field.name for field in fields(options)]


def is_option(key: str, options: type) -> bool:
    """Return whether the dataclass has an option of this name: `chat`, or `header.X-Title` for a mapping `header`."""
    name, _, entry = key.partition(".")
    return key in option_names(options) or (entry != "" and name in _mappings(options))


def nested(given: Mapping[str, str], options: type) -> dict[str, Any]:
    """Gather the entries of each mapping: `{"header.X-Title": "audit"}` becomes `{"header": {"X-Title": "audit"}}`.

    Values of a `Mapping[str, str]` stay text; of any other mapping, what is JSON is parsed.
    """
    mappings = _mappings(options)
    found: dict[str, Any] = {}
    for key, value in given.items():
        name, _, entry = key.partition(".")
        if name in mappings:
            found.setdefault(name, {})[entry] = value if mappings[name] is str else _parsed(value)
        else:
            found[key] = value
    return found


def split_options(given: Mapping[str, str], options: type) -> tuple[dict[str, Any], dict[str, str]]:
    """Split options into those of the dataclass, as `nested` gathers them, and all others."""
    own = {key: value for key, value in given.items() if is_option(key, options)}
    return nested(own, options), {key: value for key, value in given.items() if key not in own}


def _mappings(options: type) -> dict[str, object]:
    """Return the options that are mappings, each with the type of its values."""
    hints = get_type_hints(options)
    return {name: get_args(hint)[1] for name, hint in hints.items() if get_origin(hint) is Mapping}


def _parsed(value: str) -> object:
    """Parse JSON; return other text as it is, and so `NaN`, which no JSON document may hold."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return json.loads(value, parse_constant=refuse)
    except (ValueError, RecursionError):
        return value
