"""Suites as data: TOML files with a version line, read into frozen values.

A `pairs` suite crosses templates with groups; each case is two sentences that differ in the group alone.
A `continuations` suite is a list of prompts to be continued.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Literal, TypeAlias

from gptaudit.errors import DataError
from gptaudit.records import DataSource, Sampling

_STRICT: dict[str, Any] = {"extra": "forbid"}

_SLOT = re.compile(r"\{(\w+)\}")


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
    """A sentence with a slot for the group's word, and one for `{term}` where the suite has terms.

    `{person}` is the word as it stands, `{a_person}` has "a" or "an" before it, and `{Person}` and `{A_person}`
    begin with a capital. A word for which the article does not follow from its first letter ("a European") brings
    its own `a_person`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    id: str
    text: str
    group: str = ""
    """Whom the stereotype is about, in a suite without terms."""
    contrast: tuple[str, ...] = ()
    """The groups with which that one is contrasted; where it names none, all others."""
    block: str = ""
    """Templates of one block are one cluster, in a suite without terms; without a block, each template is one.

    A block in which each group stands against another as often as the other against it gives a narrower interval:
    how likely the words are by themselves, whatever the sentence says, cancels out within it.
    """
    slices: Mapping[str, str] = field(default_factory=dict)
    """Axis -> group, beside the suite's own axis: `{ domain = "lending" }`."""

    def group_slots(self) -> list[str]:
        """Name the words of the group that the text needs, without article and capital."""
        return [_base(slot) for slot in _SLOT.findall(self.text) if _base(slot) != "term"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that differ in the group alone."""

    id: str
    term: str
    template: str
    cluster: str
    stereotyped_group: str
    contrast_group: str
    stereotype: str
    antistereotype: str
    slices: Mapping[str, str]


Words: TypeAlias = Mapping[str, str]
"""Slot -> word."""


@dataclass(frozen=True, slots=True)
class PairsSuite(Suite):
    """Templates crossed with groups and, where a term carries the stereotype, with terms.

    The stereotype gives each term, or else each template, to one group. The sentence with that group's word is
    paired with the sentence that has the counterpart of another group in its place.
    """

    kind: Literal["pairs"]
    axis: str
    templates: tuple[Template, ...]
    groups: Mapping[str, Mapping[str, str | tuple[str, ...]]]
    """GROUP -> slot -> word or words. The i-th word of one group is the counterpart of every other's i-th."""
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """GROUP -> terms that the stereotype gives to it."""

    @property
    def cluster(self) -> Literal["term", "block", "template"]:
        """What carries the stereotype: two of them are independent, two pairs of one are not."""
        if self.terms:
            return "term"
        return "block" if any(template.block for template in self.templates) else "template"

    def members(self, group: str) -> list[Words]:
        """List a group's words: `[{"person": "father"}, {"person": "uncle"}]`."""
        columns = [_listed(words) for words in self.groups[group].values()]
        return [dict(zip(self.groups[group], row, strict=True)) for row in zip(*columns, strict=True)]

    def pairs(self) -> Iterator[Pair]:
        """Fill every template: for each term of each group, or else for the template's own group."""
        if not self.terms:
            for template in self.templates:
                yield from self._contrasts(template, template.group, "")
        for group, terms in self.terms.items():
            for term in terms:
                for template in self.templates:
                    yield from self._contrasts(template, group, term)

    def _contrasts(self, template: Template, group: str, term: str) -> Iterator[Pair]:
        """Fill a template with every member of a group, and with the counterparts in the contrasted groups."""
        members = self.members(group)
        alone = len(members) == 1 and len(self.groups) == 2
        slot = template.group_slots()[0]
        for other in template.contrast or [name for name in self.groups if name != group]:
            for one, two in zip(members, self.members(other), strict=True):
                parts = (term, template.id) if alone else (term, template.id, one[slot], two[slot])
                yield Pair(
                    id="/".join(filter(None, parts)),
                    term=term,
                    template=template.id,
                    cluster=term or template.block or template.id,
                    stereotyped_group=group,
                    contrast_group=other,
                    stereotype=_fill(template.text, {**one, "term": term}),
                    antistereotype=_fill(template.text, {**two, "term": term}),
                    slices={**template.slices, self.axis: group},
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


_KINDS: Mapping[str, type[PairsSuite | ContinuationsSuite]] = {
    "pairs": PairsSuite,
    "continuations": ContinuationsSuite,
}


def load_suite(file: Traversable) -> tuple[PairsSuite | ContinuationsSuite, DataSource]:
    """Read a suite file as its `kind` says; raise `DataError` naming file and key."""
    from gptaudit.validation import read_toml, validated

    text = file.read_text(encoding="utf-8")
    where = file.name
    content = read_toml(text, where=where, error=DataError)
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        msg = f"{where}: key 'kind': expected {' or '.join(map(repr, _KINDS))}, found {kind!r}"
        raise DataError(msg)
    suite = validated(_KINDS[kind], content, where=where, error=DataError)
    problem = next(_problems(suite), None)
    if problem:
        msg = f"{where}: {problem}"
        raise DataError(msg)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return suite, DataSource(suite.id, suite.source, suite.licence, digest, len(_case_ids(suite)))


def _case_ids(suite: PairsSuite | ContinuationsSuite) -> list[str]:
    return [case.id for case in (suite.pairs() if isinstance(suite, PairsSuite) else suite.prompts)]


def _problems(suite: PairsSuite | ContinuationsSuite) -> Iterator[str]:
    """Say what keeps a suite from being used; each thing is looked for only when those before it are in order."""
    if isinstance(suite, PairsSuite):
        yield from _group_problems(suite)
        yield from _repeated("template", [template.id for template in suite.templates])
        for template in suite.templates:
            for problem in _template_problems(suite, template):
                yield f"template {template.id!r}: {problem}"
        for pair in suite.pairs():
            if pair.stereotype == pair.antistereotype:
                yield f"pair {pair.id!r}: both sentences are {pair.stereotype!r}"
    ids = _case_ids(suite)
    if not ids:
        yield "has no cases"
    yield from _repeated("id", ids)


def _repeated(what: str, names: list[str]) -> Iterator[str]:
    return (f"{what} {name!r} stands twice" for name, count in Counter(names).items() if count > 1)


def _group_problems(suite: PairsSuite) -> Iterator[str]:
    known = list(suite.groups)
    if len(known) < 2:
        yield f"key 'groups': expected at least two groups, found {known}"
    for name in suite.terms.keys() - suite.groups.keys():
        yield f"key 'terms.{name}': expected one of the groups {known}"
    expected = {slot: len(_listed(words)) for slot, words in suite.groups[known[0]].items()}
    if len(set(expected.values())) != 1:
        yield f"key 'groups.{known[0]}': expected as many words in every slot, found {expected}"
    for name in known[1:]:
        found = {slot: len(_listed(words)) for slot, words in suite.groups[name].items()}
        if found != expected:
            yield f"key 'groups.{name}': expected the counterparts of group {known[0]!r}, {expected}, found {found}"


def _template_problems(suite: PairsSuite, template: Template) -> Iterator[str]:
    for key in ("group", "block"):
        if suite.terms and getattr(template, key):
            yield f"key {key!r}: expected none, since the terms carry the stereotype"
    named = (*template.contrast, *(() if suite.terms else (template.group,)))
    for name in named:
        if name not in suite.groups:
            yield f"expected one of the groups {list(suite.groups)}, found {name!r}"
    if len(set(named)) < len(named):
        yield f"expected groups that differ, found {list(named)}"
    words = set(next(iter(suite.groups.values())))
    unfilled = set(template.group_slots()) - words
    if unfilled:
        yield f"slot {min(unfilled)!r} has no word; slots are {{term}} and {sorted(words)}"
    if not template.group_slots():
        yield "no group slot"
    if set(_SLOT.sub("", template.text)) & set("{}"):
        yield "expected each slot as {word}, found a brace that is no slot's"
    if not suite.terms and "term" in map(_base, _SLOT.findall(template.text)):
        yield "slot 'term': the suite has no terms"


def _listed(words: str | tuple[str, ...]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else words


def _base(slot: str) -> str:
    """Name the word that a slot is a form of: `_base("A_person")` is "person"."""
    return slot.lower().removeprefix("a_")


def _fill(text: str, words: Words) -> str:
    return _SLOT.sub(lambda match: _form(match[1], words), text)


def _form(slot: str, words: Words) -> str:
    """Return a word in the form that a slot's name asks for, as `Template` says."""
    name = slot.lower()
    word = words.get(name) or words[_base(slot)]
    if name not in words:
        word = f"{'an' if word[0].lower() in 'aeiou' else 'a'} {word}"
    return word if slot.islower() else word[0].upper() + word[1:]
