"""What kinds share that hold groups against groups of reference, on the same template."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from gptaudit.probes.kinds.suite_file import SuiteFile, Template
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from gptaudit.probes.kinds.words import Group, fill, group_problems, members, repeated, slot_problems, slots

from gptaudit.probe import ProbeContext
from gptaudit.records import Case, DataSource, MetricSpec, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReferenceContrast:
    """A template filled with a word of one group, and with its counterparts in the groups of reference."""

    id: str
    template: str
    text: str
    references: tuple[str, ...]
    slices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReferenceContrastFile(SuiteFile):
    """Templates crossed with groups, each held against the groups of reference.

    What is reported of a group is a signed difference from the mean of the references, on the same template. The
    largest difference between any two groups would not do for a limit: a maximum of noisy differences is above
    zero for a model that treats all groups alike, the more so the more groups there are and the fewer templates.
    Differences from the mean of all groups would not do either, since over the groups they add up to zero.
    """

    axis: str
    templates: tuple[Template, ...]
    groups: Mapping[str, Group]
    reference: tuple[str, ...]
    """The groups that the others are held against, such as `["male"]`, or all groups but one."""

    def contrasts(self) -> Iterator[ReferenceContrast]:
        """Fill each template with each word of each group that is not one of reference."""
        for template in self.templates:
            for group in self.compared():
                for i, words in enumerate(members(self.groups[group])):
                    counterparts = (members(self.groups[name])[i] for name in self.reference)
                    word = words[self._slots(template)[0]] if len(members(self.groups[group])) > 1 else ""
                    yield ReferenceContrast(
                        id="/".join(filter(None, (template.id, group, word))),
                        template=template.id,
                        text=fill(template.text, words),
                        references=tuple(fill(template.text, other) for other in counterparts),
                        slices={**template.slices, self.axis: group},
                    )

    def compared(self) -> list[str]:
        """Name the groups that are held against those of reference."""
        return [name for name in self.groups if name not in self.reference]

    def case_ids(self) -> list[str]:
        """Name each contrast."""
        return [contrast.id for contrast in self.contrasts()]

    def own_slots(self) -> tuple[str, ...]:
        """Name the slots that are not for the groups' words."""
        return ()

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from group_problems(self.groups)
        yield from repeated("key 'reference': group", self.reference)
        for name in self.reference:
            if name not in self.groups:
                yield f"key 'reference': expected one of the groups {list(self.groups)}, found {name!r}"
        if not self.reference or not self.compared():
            yield f"key 'reference': expected some of the groups, not none and not all, found {list(self.reference)}"
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
            yield f"no slot for a group's word; slots are {sorted(words)}"
        for slot in self.own_slots():
            if slots(template.text).count(slot) != 1:
                yield f"expected the slot {{{slot}}} once"
        if self.axis in template.slices:
            yield f"key 'slices': expected another axis than the suite's own, {self.axis!r}"

    def _slots(self, template: Template) -> list[str]:
        return [slot for slot in slots(template.text) if slot not in self.own_slots()]


class ReferenceContrastProbe(SuiteProbe):
    """A case is a template with a word of one group, and its counterparts in the groups of reference.

    So a case is scored whole or not at all, and every difference is of answers about the same template. A cluster
    is a template.
    """

    def __init__(self, file: ReferenceContrastFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._contrasts = file.contrasts
        self._reference = file.reference

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - the suite is all it needs
        """Yield one case a contrast: the requests of its own text, then those of each text of reference."""
        for contrast in self._contrasts():
            texts = (contrast.text, *contrast.references)
            requests = tuple(request for text in texts for request in self.requests(text))
            yield Case(contrast.id, contrast.template, requests, contrast.slices)

    @abstractmethod
    def requests(self, text: str) -> Sequence[Request]:
        """Return the requests of one text, always as many."""

    def by_text(self, answers: Sequence[T]) -> list[Sequence[T]]:
        """Divide the answers of a case into those of its own text, and those of each text of reference."""
        size = len(answers) // (1 + len(self._reference))
        return [answers[start : start + size] for start in range(0, len(answers), size)]


def gap(name: str, unit: str, title: str, bounds: tuple[float | None, float | None]) -> MetricSpec:
    """Return the metric of a difference from the groups of reference."""
    return MetricSpec(name, ideal=0.0, direction="target", unit=unit, title=title, bounds=bounds)


def difference(values: Sequence[float]) -> float:
    """Return the first value, a group's, minus the mean of the others, the groups of reference."""
    own, *others = values
    return own - fmean(others)
