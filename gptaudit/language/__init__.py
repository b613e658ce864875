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

MOST_DEEP = 6
"""How deep recorded messages may stand in one another."""

_NUMBER = re.compile(r"[\d\s.,e+\-\N{MINUS SIGN}]+")
"""What fills the placeholder `n` of a recorded message."""

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


@dataclass(frozen=True, slots=True)
class Form:
    """A recorded message with placeholders, as what stands between them."""

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translated: str

    def filling(self, text: str) -> dict[str, str] | None:
        """Return what fills the placeholders in a text, each as short as can be; None if it is of another form.

        It takes one pass over the text, whatever the text repeats.
        """
        first, *between, last = self.literals
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end <= len(first):
            return None
        values, start = [], len(first)
        for literal in between:
            found = text.find(literal, start + 1, end)
            if found < 0:
                return None
            values.append(text[start:found])
            start = found + len(literal)
        values.append(text[start:end])
        filled = dict(zip(self.names, values, strict=True))
        return filled if all(values) and _NUMBER.fullmatch(filled.get("n", "0")) else None


@dataclass(frozen=True)
class Table:
    """The messages of a language."""

    messages: Mapping[str, str]
    """English message -> its translation, for all that gptaudit says."""
    records: Mapping[str, str]
    """The same for what it records in results.json and tells from there."""

    @cached_property
    def _forms(self) -> list[Form]:
        """The recorded messages with placeholders, those with the most words of their own first."""
        split = [(_PLACEHOLDER.split(message), told) for message, told in self.records.items()]
        forms = [Form((*parts[::2],), (*parts[1::2],), told) for parts, told in split if len(parts) > 1]
        return sorted(forms, key=lambda form: -sum(map(len, form.literals)))

    def of_recorded(self, text: str, depth: int = MOST_DEEP) -> str:
        """Return the translation of a recorded text; what fills a placeholder is translated too, unless it is an id."""
        if text in self.records:
            return self.records[text]
        for form in self._forms if depth else ():
            if (filled := form.filling(text)) is not None:
                told = {k: v if k in IDS else self.of_recorded(v, depth - 1) for k, v in filled.items()}
                return form.translated.format(**told)
        return text


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
