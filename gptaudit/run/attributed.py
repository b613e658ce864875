"""What a probe's attributions say together: the typical cases, and what slots and words add over all of them."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import TypeAlias

from gptaudit.records import Evidence, EvidenceItem, Measurement, Metric, MetricSpec
from gptaudit.run.metrics import summarise

TYPICAL = 4
"""Cases shown whose severity is nearest to the median."""
WORDS = 20
"""Words listed of each slot: those that add or take most over all cases."""
SLOT = "slot"
"""Axis of the sums over all words of a slot."""
ATTRIBUTION = MetricSpec(
    "attribution",
    ideal=0.0,
    direction="target",
    unit="nats",
    title="what a slot or a word adds to the difference between two prompts",
)

Measured: TypeAlias = Callable[[], Iterable[Measurement]]
"""Goes once more through the measurements of a probe, which may be too many to hold."""


def with_typical(shown: Sequence[EvidenceItem], measured: Measured) -> tuple[EvidenceItem, ...]:
    """Return the evidence with those of the other cases whose severity is nearest to the median of all.

    They stand between the most severe cases and those at random.
    """
    middle = median(evidence.severity for _, evidence in _attributed(measured))
    known = {item.case for item in shown}
    others = ((m, evidence) for m, evidence in _attributed(measured) if m.case not in known)
    nearest = heapq.nsmallest(TYPICAL, others, key=lambda found: abs(found[1].severity - middle))
    typical = [EvidenceItem(m.case, "typical", m.values, m.slices, evidence) for m, evidence in nearest]
    severe = [item for item in shown if item.picked != "at random"]
    return (*severe, *typical, *shown[len(severe) :])


def figures_of_parts(measured: Measured, *, level: float, seed: int) -> tuple[Metric, ...]:
    """Return the mean of what each slot, and each word in it, adds in the cases that have it, with its interval."""
    totals: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for _, evidence in _attributed(measured):
        for part in evidence.parts:
            totals[part.slot][part.word] += part.score
    listed = {
        (slot, word)
        for slot, of_slot in totals.items()
        for word, _ in heapq.nlargest(WORDS, of_slot.items(), key=lambda total: abs(total[1]))
    }
    rows = (row for m, evidence in _attributed(measured) for row in _rows(m, evidence, listed))
    return tuple(metric for metric in summarise((ATTRIBUTION,), rows, level=level, seed=seed) if metric.slice)


def _attributed(measured: Measured) -> Iterator[tuple[Measurement, Evidence]]:
    for m in measured():
        if m.unscored is None and m.evidence is not None and m.evidence.attribution is not None:
            yield m, m.evidence


def _rows(m: Measurement, evidence: Evidence, listed: set[tuple[str, str]]) -> Iterator[Measurement]:
    """Yield what each slot and each listed word adds in a case, as measurements of their own."""
    sums: defaultdict[tuple[str, str], float] = defaultdict(float)
    for part in evidence.parts:
        sums[SLOT, part.slot] += part.score
        if (part.slot, part.word) in listed:
            sums[part.slot, part.word] += part.score
    for (axis, group), score in sums.items():
        yield replace(m, slices={axis: group}, values={ATTRIBUTION.name: score}, evidence=None)
