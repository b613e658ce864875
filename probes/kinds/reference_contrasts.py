"""Shared base of the kinds of suite files that compare groups with groups of reference, template by template."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from gptaudit.probes.kinds.suite_file import SuiteFile, Template
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from gptaudit.probes.kinds.words import (
    Group,
    fill,
    group_problems,
    members,
    repeated,
    sampling_unit,
    slot_problems,
    slots,
)

from gptaudit.probe import Answered, ProbeContext
from gptaudit.records import Case, DataSource, MetricSpec, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReferenceContrast:
    """A template filled with a word of one group, and with the corresponding words of the groups of reference."""

    id: str
    template: str
    words: str
    """Which words of the groups it has, in their order; empty if each group has one."""
    text: str
    references: tuple[str, ...]
    slices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReferenceContrastFile(SuiteFile):
    """Templates crossed with groups, each compared with the groups of reference.

    The figure of a group is its signed difference from the mean of the groups of reference on the same template. The
    largest difference between any two groups would be no basis for a limit: a maximum of noisy differences is above
    zero for a model that treats all groups alike, the more so with more groups and fewer templates. Differences from
    the mean of all groups are no alternative, since they add up to zero over the groups.
    """

    axis: str
    templates: tuple[Template, ...]
    groups: Mapping[str, Group]
    reference: tuple[str, ...]
    """Groups that the others are compared with, such as `["male"]`, or all groups but one."""

    def contrasts(self) -> Iterator[ReferenceContrast]:
        """Fill each template with each word of each compared group."""
        for template in self.templates:
            for group in self.compared():
                for i, words in enumerate(members(self.groups[group])):
                    counterparts = (members(self.groups[name])[i] for name in self.reference)
                    word = words[self._slots(template)[0]] if len(members(self.groups[group])) > 1 else ""
                    yield ReferenceContrast(
                        id="/".join(filter(None, (template.id, group, word))),
                        template=template.id,
                        words=str(i) if word else "",
                        text=fill(template.text, words),
                        references=tuple(fill(template.text, other) for other in counterparts),
                        slices={**template.slices, self.axis: group},
                    )

    def compared(self) -> list[str]:
        """Return the groups that are compared with those of reference."""
        return [name for name in self.groups if name not in self.reference]

    def case_ids(self) -> list[str]:
        """Return the id of each reference contrast."""
        return [contrast.id for contrast in self.contrasts()]

    def own_slots(self) -> tuple[str, ...]:
        """Return the slots that are not for the words of groups."""
        return ()

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from group_problems(self.groups)
        yield from repeated("key 'reference': group", self.reference)
        for name in self.reference:
            if name not in self.groups:
                yield f"key 'reference': expected one of the groups {list(self.groups)}, found {name!r}"
        if not self.reference or not self.compared():
            yield f"key 'reference': expected at least one group and not all of them, found {list(self.reference)}"
        yield from repeated("template", (template.id for template in self.templates))
        for template in self.templates:
            for problem in self._template_problems(template):
                yield f"template {template.id!r}: {problem}"
        for contrast in self.contrasts():
            if contrast.text in contrast.references:
                yield f"case {contrast.id!r}: a group of reference has the same text {contrast.text!r}"

    def _template_problems(self, template: Template) -> Iterator[str]:
        words = set(next(iter(self.groups.values())))
        yield from slot_problems(template.text, words | set(self.own_slots()), self.groups)
        if not self._slots(template):
            yield f"expected a slot for a group's word, one of {sorted(words)}, found {template.text!r}"
        for slot in self.own_slots():
            if slots(template.text).count(slot) != 1:
                yield f"expected the slot {{{slot}}} once, found {template.text!r}"
        if self.axis in template.slices:
            yield f"key 'slices': expected axes other than the suite file's own, found {self.axis!r}"

    def _slots(self, template: Template) -> list[str]:
        return [slot for slot in slots(template.text) if slot not in self.own_slots()]


class ReferenceContrastProbe(SuiteProbe):
    """Base of the probes of such suite files: one case per reference contrast.

    A cluster is a template, crossed with the words of the groups where each has several.

    A case holds the requests of the group and of all groups of reference, so that it is scored as a whole or not at
    all, and every difference is between answers about the same template.
    """

    template_of = "cluster"

    def __init__(self, file: ReferenceContrastFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._contrasts = file.contrasts
        self._reference = file.reference
        self._groups = file.groups

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - needs only the suite file
        """Yield one case per reference contrast: the requests of its own text, then those of each text of reference."""
        for contrast in self._contrasts():
            texts = (contrast.text, *contrast.references)
            requests = tuple(request for text in texts for request in self.requests(text))
            yield Case(contrast.id, contrast.template, requests, contrast.slices, crossed=contrast.words)

    @property
    def cluster(self) -> str:
        """The unit of sampling, as methods tell it."""
        return sampling_unit("template", self._groups)

    @abstractmethod
    def requests(self, text: str) -> Sequence[Request]:
        """Return the requests of one text; their number is the same for every text."""

    def is_open(self, answered: Answered) -> bool:  # noqa: ARG002 - same for every answer
        """Return False: no value depends on which of two log-likelihoods is larger."""
        return False

    def by_text(self, answers: Sequence[T]) -> list[Sequence[T]]:
        """Split the answers of a case into those of its own text and those of each text of reference."""
        size = len(answers) // (1 + len(self._reference))
        return [answers[start : start + size] for start in range(0, len(answers), size)]


def gap(name: str, unit: str, title: str, bounds: tuple[float | None, float | None]) -> MetricSpec:
    """Return the metric of a difference from the mean of the groups of reference."""
    return MetricSpec(name, ideal=0.0, direction="target", unit=unit, title=title, bounds=bounds)


def difference(values: Sequence[float]) -> float:
    """Return the first value, the compared group's, minus the mean of the others, the groups of reference."""
    own, *others = values
    return own - fmean(others)
