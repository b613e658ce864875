"""Conversion of plain data into typed values, with errors that name the place."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gptaudit.errors import GptauditError

T = TypeVar("T")

SHOWN = 3
"""Most problems listed in one message; the rest are counted."""


def validated(into: type[T], data: object, *, where: str, error: type[GptauditError], **how: Any) -> T:  # noqa: ANN401
    """Build `into` from plain data, or raise `error` naming `where`, the key, what was expected and what was found.

    `how` goes to pydantic's `validate_python`; unknown keys are an error if the type's
    `__pydantic_config__` forbids them.
    """
    adapter: TypeAdapter[T] = _adapter(into)  # type: ignore[arg-type]  # every class can be hashed
    try:
        return adapter.validate_python(data, **how)
    except ValidationError as caught:
        problems = [_describe(into, problem) for problem in caught.errors()[:SHOWN]]
        more = caught.error_count() - len(problems)
    msg = f"{where}: " + "; ".join(problems) + (f"; and {more} more" if more else "")
    raise error(msg)


@lru_cache
def _adapter(into: type[Any]) -> TypeAdapter[Any]:
    """Build the validator of a type, once: building takes far longer than validating a row of a data set."""
    return TypeAdapter(into)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known names that resemble `name`, as ` Did you mean 'x'?`, or with all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f" Did you mean {' or '.join(map(repr, close))}?"
    return f" Known: {', '.join(names) or 'none'}."


def key_path(location: Iterable[int | str]) -> str:
    """Return a key's location as users write it, counting from one: `rule[2].max`."""
    path = ""
    for part in location:
        path += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _describe(into: type[Any], problem: Mapping[str, Any]) -> str:
    place = key_path(problem["loc"])
    came = problem["input"]
    match problem["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            return (
                f"unknown key {place!r}.{nearest(str(problem['loc'][-1]), _keys(into, problem['loc'][:-1]))}"
            )
        case "missing" | "missing_argument":
            return f"key {place!r} is missing"
        case _:
            text = problem["msg"].removeprefix("Value error, ")
            return f"key {place!r}: {text}; found {reprlib.repr(came)}" if place else text


def _keys(into: type[Any], location: Iterable[int | str]) -> list[str]:
    return [f.name for f in fields(into)] if is_dataclass(into) and not list(location) else []
