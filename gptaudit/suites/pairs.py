"""Suites of kind `pairs`: two sentences that differ in the group alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gptaudit.suites.base import Suite, Template
from gptaudit.suites.words import Group, fill, group_problems, members, repeated, slot_problems, slots


@dataclass(frozen=True, slots=True)
class PairTemplate(Template):
    """A sentence with a slot for the group's word, and one for `{term}` where the suite has terms."""

    group: str = ""
    """Whom the stereotype is about, in a suite without terms."""
    contrast: tuple[str, ...] = ()
    """The groups with which that one is contrasted; where it names none, all others."""
    block: str = ""
    """Templates of one block are one cluster, in a suite without terms; without a block, each template is one.

    A block in which each group stands against another as often as the other against it gives a narrower interval:
    how likely the words are by themselves, whatever the sentence says, cancels out within it.
    """

    def group_slots(self) -> list[str]:
        """Name the words of the group that the text needs, without article and capital."""
        return [slot for slot in slots(self.text) if slot != "term"]


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


@dataclass(frozen=True, slots=True)
class PairsSuite(Suite):
    """Templates crossed with groups and, where a term carries the stereotype, with terms.

    The stereotype gives each term, or else each template, to one group. The sentence with that group's word is
    paired with the sentence that has the counterpart of another group in its place.
    """

    kind: Literal["pairs"]
    axis: str
    templates: tuple[PairTemplate, ...]
    groups: Mapping[str, Group]
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """GROUP -> terms that the stereotype gives to it."""

    @property
    def cluster(self) -> Literal["term", "block", "template"]:
        """What carries the stereotype: two of them are independent, two pairs of one are not."""
        if self.terms:
            return "term"
        return "block" if any(template.block for template in self.templates) else "template"

    def pairs(self) -> Iterator[Pair]:
        """Fill every template: for each term of each group, or else for the template's own group."""
        if not self.terms:
            for template in self.templates:
                yield from self._contrasts(template, template.group, "")
        for group, terms in self.terms.items():
            for term in terms:
                for template in self.templates:
                    yield from self._contrasts(template, group, term)

    def case_ids(self) -> list[str]:
        """Name each pair."""
        return [pair.id for pair in self.pairs()]

    def problems(self) -> Iterator[str]:
        """See `Suite.problems`."""
        yield from group_problems(self.groups)
        for name in self.terms.keys() - self.groups.keys():
            yield f"key 'terms.{name}': expected one of the groups {list(self.groups)}"
        yield from repeated("template", (template.id for template in self.templates))
        for template in self.templates:
            for problem in self._template_problems(template):
                yield f"template {template.id!r}: {problem}"
        for pair in self.pairs():
            if pair.stereotype == pair.antistereotype:
                yield f"pair {pair.id!r}: both sentences are {pair.stereotype!r}"

    def _contrasts(self, template: PairTemplate, group: str, term: str) -> Iterator[Pair]:
        """Fill a template with every member of a group, and with the counterparts in the contrasted groups."""
        own = members(self.groups[group])
        alone = len(own) == 1 and len(self.groups) == 2
        slot = template.group_slots()[0]
        for other in template.contrast or [name for name in self.groups if name != group]:
            for one, two in zip(own, members(self.groups[other]), strict=True):
                parts = (term, template.id) if alone else (term, template.id, one[slot], two[slot])
                yield Pair(
                    id="/".join(filter(None, parts)),
                    term=term,
                    template=template.id,
                    cluster=term or template.block or template.id,
                    stereotyped_group=group,
                    contrast_group=other,
                    stereotype=fill(template.text, {**one, "term": term}),
                    antistereotype=fill(template.text, {**two, "term": term}),
                    slices={**template.slices, self.axis: group},
                )

    def _template_problems(self, template: PairTemplate) -> Iterator[str]:
        for key in ("group", "block"):
            if self.terms and getattr(template, key):
                yield f"key {key!r}: expected none, since the terms carry the stereotype"
        named = (*template.contrast, *(() if self.terms else (template.group,)))
        for name in named:
            if name not in self.groups:
                yield f"expected one of the groups {list(self.groups)}, found {name!r}"
        if len(set(named)) < len(named):
            yield f"expected groups that differ, found {list(named)}"
        if not template.group_slots():
            yield "no group slot"
        if self.axis in template.slices:
            yield f"key 'slices': expected another axis than the suite's own, {self.axis!r}"
        if not self.terms and "term" in slots(template.text):
            yield "slot 'term': the suite has no terms"
        yield from slot_problems(template.text, {"term", *next(iter(self.groups.values()))}, self.groups)
