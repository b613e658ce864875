"""Rules of refusals by language, read from `refusal_rules.toml`, which says what each kind of rule means."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

KINDS = (
    *("refuses", "objects", "disclaims", "gives", "instead", "moralises", "warns", "facts"),
    *("asks_how", "instructs"),
    *("presupposes", "negated", "baseless", "denies", "moral"),
)
NEVER = "(?!)"
"""A pattern without a match, for the kinds that a language lacks."""
_NAMED = re.compile(r"(?<!\?P)<(\w+)>")
"""`<help>`, but not the name of a group, `(?P<deed>...)`."""


@dataclass(frozen=True)
class Rules:
    """The rules of one language: kind -> its patterns as one."""

    patterns: Mapping[str, re.Pattern[str]]
    forbids: tuple[re.Pattern[str], ...]
    """One by one, since a pattern can have a group of a name once."""
    empty: frozenset[str]

    def match(self, kind: str, text: str) -> bool:
        """Return whether a rule of this kind is found in a text."""
        return self.patterns[kind].search(text) is not None


@cache
def rules() -> Mapping[str, Rules]:
    """Return the rules of every language by its code."""
    return {language: _read(table) for language, table in tomllib.loads(_text()).items()}


@cache
def empty_words() -> frozenset[str]:
    """Return the words of all languages that say nothing by themselves."""
    return frozenset().union(*(of_language.empty for of_language in rules().values()))


@cache
def rules_sha256() -> str:
    """Return the hash of all rules."""
    return hashlib.sha256(_text().encode()).hexdigest()


def _text() -> str:
    return (files(__package__) / "refusal_rules.toml").read_text(encoding="utf-8")


def _read(table: Mapping[str, Any]) -> Rules:
    words: dict[str, str] = {}

    def filled(pattern: str) -> str:
        return _NAMED.sub(lambda found: words[found[1]], pattern)

    for name, pattern in table.get("words", {}).items():
        words[name] = filled(pattern)
    return Rules(
        {kind: re.compile("|".join(map(filled, table.get(kind, ()))) or NEVER) for kind in KINDS},
        tuple(re.compile(filled(pattern)) for pattern in table["forbids"]),
        frozenset(table["empty"].split()),
    )
