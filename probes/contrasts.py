"""What probes share that hold groups against groups of reference, on the same template."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import TypeVar

from gptaudit.probe import MetricSpec, ProbeContext
from gptaudit.records import Case, DataSource, Request
from gptaudit.suites.base import ContrastSuite

from .suite_probe import SuiteProbe

T = TypeVar("T")


class ContrastProbe(SuiteProbe):
    """A case is a template with a word of one group, and its counterparts in the groups of reference.

    So a case is scored whole or not at all, and every difference is of answers about the same template. A cluster
    is a template.
    """

    def __init__(self, suite: ContrastSuite, source: DataSource) -> None:
        super().__init__(suite, source)
        self._contrasts = suite.contrasts
        self._reference = suite.reference

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
