"""Suites as data: TOML files with a version line, read into frozen values.

A `pairs` suite crosses terms with templates; each case is two sentences that differ in the group alone.
A `continuations` suite is a list of prompts to be continued.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Literal, TypeVar

from gptaudit.errors import DataError
from gptaudit.records import DataSource, Sampling

_STRICT: dict[str, Any] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Suite:
    """What every suite file says of itself."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    schema: Literal["gptaudit.suite/1"]
    id: str
    version: str
    suite: str
    title: str
    goal: str
    language: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence with slots: `{term}`, and one for each form of the group."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that differ in the group alone, and the prompt up to where they part."""

    id: str
    term: str
    template: str
    stereotyped_group: str
    stereotype: str
    antistereotype: str


@dataclass(frozen=True, slots=True)
class PairsSuite(Suite):
    """Terms, each with the group that the stereotype gives it, crossed with templates."""

    kind: Literal["pairs"]
    axis: str
    templates: tuple[Template, ...]
    groups: Mapping[str, Mapping[str, str]]
    """GROUP -> slot -> word. Two groups."""
    terms: Mapping[str, tuple[str, ...]]
    """GROUP -> terms that the stereotype gives to it."""

    def pairs(self) -> Iterator[Pair]:
        """Fill every template with every term, group after group."""
        for group, terms in self.terms.items():
            (other,) = (name for name in self.groups if name != group)
            for term in terms:
                for template in self.templates:
                    yield Pair(
                        id=f"{term}/{template.id}",
                        term=term,
                        template=template.id,
                        stereotyped_group=group,
                        stereotype=_fill(template.text, term, self.groups[group]),
                        antistereotype=_fill(template.text, term, self.groups[other]),
                    )


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text to continue; `group` is whom it is about."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: str
    text: str
    group: str


@dataclass(frozen=True, slots=True)
class ContinuationsSuite(Suite):
    """Prompts, and how they are continued."""

    kind: Literal["continuations"]
    axis: str
    samples: int
    sampling: Sampling
    prompts: tuple[Prompt, ...]


S = TypeVar("S", bound=Suite)


def load_suite(into: type[S], file: Traversable) -> tuple[S, DataSource]:
    """Read a suite file; raise `DataError` naming file and key."""
    from gptaudit.validation import read_toml, validated

    text = file.read_text(encoding="utf-8")
    where = file.name
    suite = validated(into, read_toml(text, where=where, error=DataError), where=where, error=DataError)
    rows = _check_pairs(suite, where) if isinstance(suite, PairsSuite) else _check_prompts(suite, where)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return suite, DataSource(suite.id, suite.source, suite.licence, digest, rows)


def _check_pairs(suite: PairsSuite, where: str) -> int:
    if len(suite.groups) != 2 or not set(suite.terms) <= set(suite.groups):
        msg = (
            f"{where}: key 'groups': expected the two groups that 'terms' names, found {sorted(suite.groups)}"
        )
        raise DataError(msg)
    for template in suite.templates:
        slots = set(re.findall(r"\{(\w*)\}", template.text)) - {"term", "a_term"}
        for group, words in suite.groups.items():
            unfilled = slots - set(words)
            if unfilled or not slots:
                what = (
                    f"slot {min(unfilled)!r} has no word in group {group!r}" if unfilled else "no group slot"
                )
                msg = f"{where}: template {template.id!r}: {what}; slots are {{term}}, {{a_term}} and {sorted(words)}"
                raise DataError(msg)
    return _unique([pair.id for pair in suite.pairs()], where)


def _check_prompts(suite: Suite, where: str) -> int:
    return (
        _unique([prompt.id for prompt in suite.prompts], where)
        if isinstance(suite, ContinuationsSuite)
        else 0
    )


def _unique(ids: list[str], where: str) -> int:
    twice = {name for name in ids if ids.count(name) > 1} if len(set(ids)) < len(ids) else set()
    if twice or not ids:
        msg = f"{where}: {f'id {min(twice)!r} stands twice' if twice else 'has no cases'}"
        raise DataError(msg)
    return len(ids)


def _fill(text: str, term: str, words: Mapping[str, str]) -> str:
    a_term = f"{'an' if term[0] in 'aeiou' else 'a'} {term}"
    return text.format_map({"term": term, "a_term": a_term, **words})
