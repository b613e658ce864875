"""`-b KEY=VALUE`: options of a backend and of an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class NoOptions:
    """There are no options."""


def option_names(options: type) -> list[str]:
    """Name the options of a frozen dataclass."""
    return [field.name for field in fields(options)]


def split_options(given: Mapping[str, str], options: type) -> tuple[dict[str, str], dict[str, str]]:
    """Part what was given into the options of the dataclass, and all others."""
    own = {key: value for key, value in given.items() if key in option_names(options)}
    return own, {key: value for key, value in given.items() if key not in own}
