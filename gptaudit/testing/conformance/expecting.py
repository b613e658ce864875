"""How a check says what is wrong: where, what was expected, what came."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from gptaudit.protocols.registration import problem

T = TypeVar("T")

_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 200


def expect(where: str, expected: str, found: object, *, holds: bool) -> None:
    """Raise `AssertionError` unless a property holds."""
    if not holds:
        msg = f"{where}: expected {expected}; found {_SHOWN.repr(found)}"
        raise AssertionError(msg)


def expect_same(where: str, what: str, first: object, second: object) -> None:
    """Raise `AssertionError` where two things differ that should be the same."""
    if first != second:
        msg = f"{where}: expected the same {what}; found {_SHOWN.repr(first)}, then {_SHOWN.repr(second)}"
        raise AssertionError(msg)


@contextmanager
def calling(where: str, *allowed: type[Exception]) -> Iterator[None]:
    """Turn what a call raises into an `AssertionError`, except what it may raise."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, (AssertionError, *allowed)):
            raise
        msg = f"{where}: raised {type(error).__name__}: {error}"
        raise AssertionError(msg) from error


def twice(where: str, what: str, call: Callable[[], T]) -> T:
    """Return what a call returns; it has to return the same again."""
    with calling(where):
        first, second = call(), call()
    expect_same(where, f"{what} in each call", first, second)
    return first


def expect_json(where: str, value: object) -> None:
    """Raise `AssertionError` for what does not come back from JSON as it was, such as a tuple or NaN."""
    try:
        back = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        msg = f"{where}: expected a JSON value; {error}; found {_SHOWN.repr(value)}"
        raise AssertionError(msg) from None
    expect_same(
        where, "value once it was written as JSON (lists, not tuples; keys that are texts)", value, back
    )


def expect_registrable(kind: str, thing: object, attribute: str) -> None:
    """Raise `AssertionError` for what cannot be registered."""
    found = problem(kind, thing, attribute)
    expect(type(thing).__name__, "what can be registered", found, holds=found is None)


def expect_texts(where: str, mapping: Mapping[Any, Any]) -> None:
    """Raise `AssertionError` for a mapping of anything but texts to texts."""
    texts = all(isinstance(text, str) for pair in mapping.items() for text in pair)
    expect(where, "a mapping of texts to texts", mapping, holds=texts)
