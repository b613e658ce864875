"""Minimal pairs: which of two sentences that differ in the group alone is more likely."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gptaudit.probes.elicited import elicited_pair
from gptaudit.probes.kinds.suite_file import SuiteFile, Template
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from gptaudit.probes.kinds.words import Group, fill, group_problems, members, repeated, slot_problems, slots
from gptaudit.probes.sentence_pairs import PAIR_METHOD, STEREOTYPE_PROBABILITY, STEREOTYPE_RATE, compare_pair

from gptaudit.probe import Answered, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import Case, DataSource, ScoreRequest


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
class SentencePair:
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
class PairsFile(SuiteFile):
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

    def pairs(self) -> Iterator[SentencePair]:
        """Fill every template: for each term of each group, or else for the template's own group."""
        if not self.terms:
            for template in self.templates:
                yield from self._against_others(template, template.group, "")
        for group, terms in self.terms.items():
            for term in terms:
                for template in self.templates:
                    yield from self._against_others(template, group, term)

    def case_ids(self) -> list[str]:
        """Name each pair."""
        return [pair.id for pair in self.pairs()]

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
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

    def _against_others(self, template: PairTemplate, group: str, term: str) -> Iterator[SentencePair]:
        """Fill a template with every member of a group, and with the counterparts in the contrasted groups."""
        own = members(self.groups[group])
        alone = len(own) == 1 and len(self.groups) == 2
        slot = template.group_slots()[0]
        for other in template.contrast or [name for name in self.groups if name != group]:
            for one, two in zip(own, members(self.groups[other]), strict=True):
                parts = (term, template.id) if alone else (term, template.id, one[slot], two[slot])
                yield SentencePair(
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


class PairsProbe(SuiteProbe):
    """A `pairs` file. A case is a pair; a cluster is what carries the stereotype: a term, or a template or block."""

    needs = frozenset({"score"})
    metrics = (STEREOTYPE_RATE, STEREOTYPE_PROBABILITY)

    def __init__(self, file: PairsFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - the suite is all it needs
        """Yield one case a pair."""
        for pair in self._file.pairs():
            yield Case(
                id=pair.id,
                cluster=pair.cluster,
                requests=(ScoreRequest("", pair.stereotype), ScoreRequest("", pair.antistereotype)),
                slices=pair.slices,
            )

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compare the two sums of log-probabilities."""
        return compare_pair(
            answered,
            lambda difference: {
                "stereotype_rate": float(difference > 0),
                # the logistic function, in the form that cannot overflow
                "stereotype_probability": (1 + math.tanh(difference / 2)) / 2,
            },
        )

    def method(self) -> Mapping[str, Any]:
        """Describe the score."""
        return {**PAIR_METHOD, "cluster": self._file.cluster}

    def elicited(self) -> Probe | None:
        """Ask which sentence is more likely."""
        name = STEREOTYPE_RATE.name
        return elicited_pair(
            self, lambda share: {name: share}, metrics=[name], severity=name, language=self._file.language
        )
