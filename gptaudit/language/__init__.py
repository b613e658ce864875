"""The language in which an audit is told to a reader: English, or another by a table of its messages.

The tables are `LANGUAGE.toml`, and `LANGUAGE-probes.toml` for what our own probes are called. A message is a whole
English sentence, so that another language may order it as it must; its placeholders have names. What results.json
records is English, and is looked up when it is shown.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

ENGLISH = "en"

LANGUAGES: Mapping[str, str] = {ENGLISH: "en", "zh": "zh-Hans"}
"""Language -> its tag in HTML (BCP 47)."""

IDS = frozenset({"capabilities", "formula", "metric", "option", "probe", "scorer"})
"""Placeholders of recorded messages that hold ids, which no language changes."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")

_told: ContextVar[str] = ContextVar("told", default=ENGLISH)


@contextmanager
def told_in(language: str) -> Iterator[None]:
    """Tell everything in a language of `LANGUAGES` from here on, in this thread and task."""
    before = _told.set(language)
    try:
        yield
    finally:
        _told.reset(before)


def language() -> str:
    """Return the language that is told in."""
    return _told.get()


def tr(message: str, /, **values: object) -> str:
    """Return a message in the language that is told in, with its placeholders filled in.

    A message without a translation stays English; a test finds it.
    """
    translated = table(language()).messages.get(message, message)
    return translated.format(**values) if values else translated


def trn(number: int, one: str, more: str, /, **values: object) -> str:
    """Return the message for 1 or for any other number; a language without a plural has the second alone."""
    return tr(one if number == 1 and language() == ENGLISH else more, **values)


def later(message: str) -> str:
    """Return a message as it is, which `tr` is given where it is told."""
    return message


def recorded(text: str) -> str:
    """Return a text of the results in the language that is told in; as it is where the tables do not have it."""
    return table(language()).of_recorded(text)


@dataclass(frozen=True)
class Table:
    """The messages of a language."""

    messages: Mapping[str, str]
    """English message -> its translation, for all that gptaudit says."""
    records: Mapping[str, str]
    """The same for what it records in results.json and tells from there."""

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The recorded messages with placeholders, those with the most words of their own first."""
        held = [message for message in self.records if _PLACEHOLDER.search(message)]
        held.sort(key=lambda message: -len(_PLACEHOLDER.sub("", message)))
        return [(_pattern(message), self.records[message]) for message in held]

    def of_recorded(self, text: str) -> str:
        """Return the translation of a recorded text; what fills a placeholder is translated too."""
        if not self.records:
            return text
        if text in self.records:
            return self.records[text]
        for pattern, translated in self._patterns:
            if found := pattern.fullmatch(text):
                return translated.format(
                    **{name: self._filling(name, v) for name, v in found.groupdict().items()}
                )
        return text

    def _filling(self, name: str, value: str) -> str:
        return value if name in IDS else self.of_recorded(value)


def _pattern(message: str) -> re.Pattern[str]:
    """Return what matches a message with its placeholders filled in."""
    parts = _PLACEHOLDER.split(message)
    literal, names = map(re.escape, parts[::2]), parts[1::2]
    groups = [*(f"(?P<{name}>.+?)" for name in names), ""]
    return re.compile("".join(a + b for a, b in zip(literal, groups, strict=True)), re.DOTALL)


@cache
def table(of: str) -> Table:
    """Return the table of a language; that of English is empty. Raises `KeyError` for a language that is not known."""
    LANGUAGES[of]
    if of == ENGLISH:
        return Table({}, {})
    folder = files(__name__)
    held = [tomllib.loads(folder.joinpath(f"{of}{part}.toml").read_text("utf-8")) for part in PARTS]
    said, records = (
        {english: told for part in held for english, told in part.get(kind, {}).items()}
        for kind in ("messages", "recorded")
    )
    return Table(said | records, records)


PARTS = ("", "-probes")
"""What the names of a language's files end with: what gptaudit says, and what its own probes are called."""
