"""
Damaged input: strategies that break a valid file, and the property that every reader has.

    fuzz(damaged(whole), lambda content: reads(lambda: load(content), "policy.toml"), examples)

A reader takes damaged input as it takes any other, or refuses it with one message. Nothing else may come out of it.
"""

from __future__ import annotations

import copy
import json
import re
import signal
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from gptaudit.errors import GptauditError

T = TypeVar("T")

SECONDS = 20
"""In which one example must end."""
LONGEST = 2100
"""Characters of the longest message."""

_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|-?\d+(?:\.\d+)?(?:e-?\d+)?|\w+|[\[\]{},:=\t\n]')
"""What a value or a mark of JSON, TOML, CSV and Jinja is made of."""

_DEEP = 3000
HOSTILE = (
    *(b"NaN", b"Infinity", b"-Infinity", b"nan", b"inf", b'"nan"'),
    *(b"1e308", b"-1e308", b"1e999", b"1e-320", b"0", b"-0.0", b"-1", b"1", b"7", b"0.5"),
    *(b"9" * 19, b"9" * 401, b"1" * 5000, b"0x" + b"f" * 5000),
    *(b"null", b"true", b"false", b'""', b"[]", b"{}", b"[[]]", b'[""]', b'{"": 0}', b'"a"', b"1979-05-27"),
    *(b"[" * _DEEP, b"[" * _DEEP + b"]" * _DEEP, b'{"a":' * _DEEP, b"(" * _DEEP, b"a." * _DEEP),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x1b[2J", b"\xe2\x80\xae"),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\u202e"', b'"\x1b]0;"', b'"' + b"x" * 20_000 + b'"'),
    *(b'"../../x"', b'"/dev/zero"', b'"<script>"', b'"|`@a#1"', b"'", b'"', b"\\", b"\r", b"\n\n"),
)


VALUES = (
    *(None, True, False, "", "a", "nan", [], {}, [[]], [None], {"": 0}, {"a": {"b": "c"}}),
    *(0, 1, -1, 7, 0.5, -0.5, 1e308, -1e308, 1e-320, 2**53, 2**63 - 1, -(2**63), 2**64, 10**400),
    *(
        float("nan"),
        float("inf"),
        "\0",
        "\ud800",
        "\u202e",
        "\x1b[2J",
        "</script><b>",
        "x" * 20_000,
        "|`@a #1\n\n- x",
    ),
)
"""Values that a JSON document may hold in the place of any other."""


def one_of(choices: Sequence[T]) -> st.SearchStrategy[T]:
    """Choose like `sampled_from`, which would show all choices in a failure."""
    return st.integers(0, len(choices) - 1).map(lambda place: choices[place])


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, most: int = 3) -> bytes:
    """Draw a content that differs from a valid one in 1 to `most` places."""
    content = whole
    for _ in range(draw(st.integers(1, most))):
        content = draw(st.sampled_from(_WAYS))(draw, content)
    return content


@st.composite
def changed(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a JSON document in which the values of 1 to 3 keys are hostile ones, or others of the document.

    Each name of a key is as likely as any other, however often it stands there.
    """
    document = json.loads(whole)
    for _ in range(draw(st.integers(1, 3))):
        places: dict[str, list[tuple[Any, Any]]] = {}
        for holder, key in _places(document):
            places.setdefault(key if isinstance(key, str) else "[]", []).append((holder, key))
        if not places:
            break
        holder, key = draw(one_of(places[draw(one_of(sorted(places)))]))
        other_holder, other = draw(one_of(places[draw(one_of(sorted(places)))]))
        ways: list[object] = [*VALUES, other_holder[other]]
        holder[key] = copy.deepcopy(draw(one_of(ways)))
    return json.dumps(document).encode()


def _places(document: object) -> Iterator[tuple[Any, Any]]:
    """Yield each object or list with each of its keys."""
    keys = (
        list(document)
        if isinstance(document, dict)
        else range(len(document))
        if isinstance(document, list)
        else ()
    )
    for key in keys:
        yield document, key
        yield from _places(document[key])  # type: ignore[index]


def _flipped(draw: st.DrawFn, content: bytes) -> bytes:
    place, bit = draw(st.integers(0, max(0, len(content) - 1))), draw(st.integers(0, 7))
    return (
        content[:place] + bytes(byte ^ 1 << bit for byte in content[place : place + 1]) + content[place + 1 :]
    )


def _cut(draw: st.DrawFn, content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def _without(draw: st.DrawFn, content: bytes) -> bytes:
    begin, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    return content[:begin] + content[end:]


def _inserted(draw: st.DrawFn, content: bytes) -> bytes:
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(one_of(HOSTILE)) + content[place:]


def _line_twice(draw: st.DrawFn, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True) or [b""]
    place = draw(st.integers(0, len(lines) - 1))
    return b"".join([*lines[: place + 1], lines[place], *lines[place + 1 :]])


def _token_replaced(draw: st.DrawFn, content: bytes) -> bytes:
    """Replace one token by a hostile one, by another of the file, or by nothing."""
    tokens = list(_TOKEN.finditer(content))
    if not tokens:
        return _inserted(draw, content)
    found, other = draw(one_of(tokens)), draw(one_of(tokens))
    instead = draw(st.one_of(one_of(HOSTILE), st.just(other[0]), st.just(b"")))
    return content[: found.start()] + instead + content[found.end() :]


_WAYS = (_flipped, _cut, _without, _inserted, _line_twice, *[_token_replaced] * 5)


def fuzz(strategy: st.SearchStrategy[T], check: Callable[[T], object], examples: int) -> None:
    """Check so many examples, the same ones on each run."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy.map(_Shown))
    def each(example: _Shown[T]) -> None:
        with _ending():
            check(example.value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)  # a strategy's own repr holds the whole file
        each()


@dataclass(frozen=True)
class _Shown(Generic[T]):
    """An example of which a failure shows no more than fits a screen."""

    value: T

    def __repr__(self) -> str:
        return textwrap.shorten(repr(self.value), 4000)


def many(default: int, slow: int = 10_000) -> pytest.MarkDecorator:
    """Parametrize a test with its number of examples, of which a slow run has more."""
    return pytest.mark.parametrize("examples", [default, pytest.param(slow, marks=SLOW)])


SLOW = (pytest.mark.slow, pytest.mark.timeout(3600))


def reads(read: Callable[[], T], place: str = "") -> T | None:
    """Return what a reader makes of its input; None if it refuses it with a message that names the place."""
    try:
        return read()
    except GptauditError as refusal:
        said = str(refusal)
    assert said.strip()
    assert place in said, said
    assert len(said) < LONGEST, said
    return None


@contextmanager
def _ending() -> Iterator[None]:
    def too_long(*_: object) -> None:
        msg = f"no end after {SECONDS} s"
        raise AssertionError(msg)

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
