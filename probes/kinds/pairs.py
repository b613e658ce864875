"""Suite files of kind `pairs`: pairs of sentences that differ only in the group, compared by likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from gptaudit.probes.elicited import elicited_pair
from gptaudit.probes.kinds.matched_pairs import CONTRAST, Direction, by_direction, matched_metrics, opposed
from gptaudit.probes.kinds.pair_prompts import Length, block_prompts, term_prompts
from gptaudit.probes.kinds.pair_template import PairTemplate
from gptaudit.probes.kinds.suite_file import SuiteFile
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from gptaudit.probes.kinds.words import (
    Group,
    fill,
    group_problems,
    members,
    named_group_problems,
    repeated,
    sampling_unit,
    slot_problems,
    slots,
)
from gptaudit.probes.log_probabilities import logistic
from gptaudit.probes.sentence_pairs import (
    PAIR_METHOD,
    STEREOTYPE_PROBABILITY,
    STEREOTYPE_RATE,
    compare_pair,
    settled_pair,
)
from pydantic import Field

from gptaudit.probe import Answered, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import AnyMetricSpec, Case, Counterfactual, DataSource, ScoreRequest


@dataclass(frozen=True, slots=True)
class SentencePair:
    """Two sentences that differ only in the group."""

    id: str
    term: str
    template: str
    words: str
    """Which words of the groups it has, in their order; empty if each group has one."""
    cluster: str
    stereotyped_group: str
    contrast_group: str
    stereotype: str
    antistereotype: str
    slices: Mapping[str, str]

    @property
    def direction(self) -> tuple[str, str]:
        """The stereotyped group and the other one."""
        return self.stereotyped_group, self.contrast_group


@dataclass(frozen=True, slots=True)
class PairsFile(SuiteFile):
    """Templates crossed with groups and, if terms carry the stereotype, with terms.

    Each term or, without terms, each template is stereotypical of one group. The sentence with a word of that group
    is paired with the same sentence with the corresponding word of another group.
    """

    kind: Literal["pairs"]
    axis: str
    templates: tuple[PairTemplate, ...]
    groups: Mapping[str, Group]
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Group -> terms that are stereotypical of it."""
    shares: Mapping[str, Annotated[float, Field(gt=0.5, le=1)]] = field(default_factory=dict)
    """Term -> share of its group among all whom it describes, by the statistics that `source` names.

    Terms weigh 2 * share - 1 in the association and the default: one near parity carries hardly a stereotype, and one
    without a share counts in neither.
    """

    @property
    def cluster(self) -> Literal["term", "block", "template"]:
        """Unit that carries the stereotype; pairs of the same unit are correlated."""
        if self.terms:
            return "term"
        return "block" if any(template.block for template in self.templates) else "template"

    def pairs(self) -> Iterator[SentencePair]:
        """Fill every template: for each term of each group or, without terms, for the template's own group."""
        if not self.terms:
            for template in self.templates:
                yield from self._against_others(template, template.group, "")
        for group, terms in self.terms.items():
            for term in terms:
                for template in self.templates:
                    yield from self._against_others(template, group, term)

    def directions(self) -> Iterator[tuple[Mapping[str, str], Direction]]:
        """Yield the slices and the direction of each term in each template, the same for all words of the groups."""
        for template in self.templates:
            for group, terms in self.terms.items() or [(template.group, ("",))]:
                for other in template.others(self.groups, group):
                    slices = self._slices(template, group, other)
                    yield from ((slices, (group, other)) for _ in terms)

    def weight(self, term: str) -> float:
        """Return how much a term counts in the association and the default."""
        return 2 * self.shares.get(term, 0.5) - 1 if self.shares else 1.0

    def counterfactuals(self, length: Length) -> Iterator[Counterfactual]:
        """Yield prompts with their counterparts; see `gptaudit.probes.kinds.pair_prompts`."""
        if self.terms:
            return term_prompts(self.axis, self.templates, self.groups, self.terms, length)
        return block_prompts(self.axis, self.templates, self.groups)

    def stands_first(self, group: str, other: str) -> bool:
        """Return whether a group stands before another in the file."""
        return next(name for name in self.groups if name in {group, other}) == group

    def matched_axes(self) -> list[str]:
        """Return the axes whose groups each have pairs in both directions: an association has slices by these."""
        found: dict[tuple[str, str], list[Direction]] = {}
        for slices, direction in self.directions():
            for group in slices.items():
                found.setdefault(group, []).append(direction)
        unmatched = {axis for (axis, _), directions in found.items() if not opposed(directions)}
        return [axis for axis in dict.fromkeys(axis for axis, _ in found) if axis not in unmatched]

    def case_ids(self) -> list[str]:
        """Return the id of each pair."""
        return [pair.id for pair in self.pairs()]

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from group_problems(self.groups)
        for name in self.terms.keys() - self.groups.keys():
            yield f"key 'terms.{name}': expected one of the groups {list(self.groups)}"
        if self.shares and len(self.groups) != 2:
            yield f"key 'shares': expected two groups, found {len(self.groups)}: a share is against one other group"
        for name in self.shares.keys() - {term for terms in self.terms.values() for term in terms}:
            yield f"key 'shares.{name}': expected one of the terms"
        for group, terms in self.terms.items():
            if self.shares and not self.shares.keys() & terms:
                yield f"key 'shares': expected the share of at least one term of {group!r}, found none"
        yield from repeated("template", (template.id for template in self.templates))
        for template in self.templates:
            for problem in self._template_problems(template):
                yield f"template {template.id!r}: {problem}"
        for pair in self.pairs():
            if pair.stereotype == pair.antistereotype:
                yield f"pair {pair.id!r}: expected different sentences, found {pair.stereotype!r} twice"

    def _against_others(self, template: PairTemplate, group: str, term: str) -> Iterator[SentencePair]:
        """Fill a template with every word of a group, paired with the corresponding word of each other group."""
        own = members(self.groups[group])
        alone = len(own) == 1 and len(self.groups) == 2
        slot = template.group_slots()[0]
        for other in template.others(self.groups, group):
            for number, (one, two) in enumerate(zip(own, members(self.groups[other]), strict=True)):
                parts = (term, template.id) if alone else (term, template.id, one[slot], two[slot])
                yield SentencePair(
                    id="/".join(filter(None, parts)),
                    term=term,
                    template=template.id,
                    words="" if len(own) == 1 else str(number),
                    cluster=term or template.block or template.id,
                    stereotyped_group=group,
                    contrast_group=other,
                    stereotype=fill(template.text, {**one, "term": term}),
                    antistereotype=fill(template.text, {**two, "term": term}),
                    slices=self._slices(template, group, other),
                )

    def _slices(self, template: PairTemplate, group: str, other: str) -> dict[str, str]:
        """Return the slices of a pair; that of its two groups, in the order of the file, if there are more than two."""
        pair = (group, other) if self.stands_first(group, other) else (other, group)
        contrast = {CONTRAST: "/".join(pair)} if len(self.groups) > 2 else {}
        return {**template.slices, self.axis: group, **contrast}

    def _template_problems(self, template: PairTemplate) -> Iterator[str]:
        for key in ("group", "block"):
            if self.terms and getattr(template, key):
                yield f"key {key!r}: expected none in a suite file with terms, found {getattr(template, key)!r}"
        named = (*template.contrast, *(() if self.terms else (template.group,)))
        yield from named_group_problems(named, self.groups)
        if not template.group_slots():
            yield f"expected a slot for the group's word, found {template.text!r}"
        for axis in {self.axis, CONTRAST} & template.slices.keys():
            yield f"key 'slices': expected axes other than the suite file's own, found {axis!r}"
        if not self.terms and "term" in slots(template.text):
            yield "slot 'term': expected terms in the suite file, found none"
        yield from slot_problems(template.text, {"term", *next(iter(self.groups.values()))}, self.groups)


class PairsProbe(SuiteProbe):
    """Probe of a `pairs` file: one case per pair, one cluster per term or, without terms, per block or template."""

    needs = frozenset({"score"})

    def __init__(self, file: PairsFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file
        self._matched = opposed(direction for _, direction in file.directions())
        self.metrics: tuple[AnyMetricSpec, ...] = STEREOTYPE_RATE, STEREOTYPE_PROBABILITY
        if self._matched:
            rate = replace(
                STEREOTYPE_RATE, title=f"{STEREOTYPE_RATE.title}; a large default hides bias from it"
            )
            matched = matched_metrics(
                list(file.groups),
                file.matched_axes(),
                "template" if file.terms else file.cluster,
                "crossed" if file.terms else "cluster",
            )
            self.metrics = *matched, rate, STEREOTYPE_PROBABILITY
        self.normalised = {spec.name: "sum" for spec in self.metrics}
        # A template without terms has one direction: alone, it would measure how likely the groups' words are.
        self.template_of = "crossed" if file.terms else "cluster" if file.cluster == "block" else ""

    @cached_property
    def _pairs(self) -> Mapping[str, SentencePair]:
        return {pair.id: pair for pair in self._file.pairs()}

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - needs only the suite file
        """Yield one case per pair."""
        for pair in self._pairs.values():
            yield Case(
                id=pair.id,
                cluster=pair.cluster,
                crossed=pair.template if pair.term else pair.words,
                requests=(ScoreRequest("", pair.stereotype), ScoreRequest("", pair.antistereotype)),
                slices=pair.slices,
            )

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compare the log-likelihoods of the two sentences."""
        pair = self._pairs[answered.case.id]
        first, weight = self._file.stands_first(*pair.direction), self._file.weight(pair.term)
        return compare_pair(
            answered,
            lambda lead: {
                "stereotype_rate": float(lead > 0),
                "stereotype_probability": logistic(lead),
                **(by_direction(lead, first=first, weight=weight) if self._matched else {}),
            },
        )

    def settled(self, answered: Answered) -> Sequence[Answered]:
        """Return a tied pair with either sentence ahead."""
        return settled_pair(answered)

    def counterfactuals(self, context: ProbeContext, length: Length) -> Iterator[Counterfactual]:  # noqa: ARG002
        """Yield the prompts that the sentences begin with, and their counterparts."""
        return self._file.counterfactuals(length)

    def method(self) -> Mapping[str, Any]:
        """Describe the scoring of the sentences."""
        association = (
            "sum of the mean differences of the two directions"
            if self._matched
            else "none: it takes pairs of any two groups in both directions, in the same proportions"
        )
        weights = {"weights": "2 * share - 1 of the term's group"} if self._file.shares else {}
        file = self._file
        cluster = file.cluster if file.terms else sampling_unit(file.cluster, file.groups)
        return {**PAIR_METHOD, "association": association, "cluster": cluster, **weights}

    def elicited(self) -> Probe | None:
        """Return the form that asks which sentence is more likely."""
        name = STEREOTYPE_RATE.name
        return elicited_pair(
            self, lambda share: {name: share}, metrics=[name], severity=name, language=self._file.language
        )
