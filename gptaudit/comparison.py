"""
What changed between two audits of the same cases: `gptaudit compare`.

Each figure is compared case by case. Whether it changed is tested by McNemar's test where cases are independent and
0 or 1, else by sign changes of whole clusters; over all figures and slices together the false discovery rate is held
at 1 - level (Benjamini & Hochberg 1995), since a comparison explores where a gate decides.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Literal, TypeAlias

from scipy.stats import false_discovery_control

from gptaudit.errors import DataError
from gptaudit.pairing import Audit, Difference, Pairs
from gptaudit.plan import digest
from gptaudit.records import Evidence, Measurement, Metric, ProbeResult, full_name
from gptaudit.stats.intervals import mean_interval
from gptaudit.stats.paired import mcnemar, sign_flips

COMPARISON_SCHEMA = "gptaudit.comparison/1"
SHOWN = 6
"""Cases of a figure that are shown: those that changed most."""

Reading: TypeAlias = Literal["better", "worse", "crossed", "not shown"]
"""Nearer to the ideal, or further from it. `crossed` says that the ideal lies between the two values, as far from the
one as from the other as far as can be told; `not shown`, that there is no evidence of a change."""


@dataclass(frozen=True, slots=True)
class Change:
    """A figure in both audits. `low` and `high` are those of the difference, and null only with a `why`."""

    metric: str
    title: str
    unit: str
    slice: Mapping[str, str]
    ideal: float
    direction: str
    baseline: float
    candidate: float
    difference: float
    low: float | None
    high: float | None
    n: int
    clusters: int
    rose: int
    """Cases whose value is larger in the candidate."""
    fell: int
    test: Literal["mcnemar", "sign-flips"]
    p_value: float
    adjusted: float
    reading: Reading
    why: str | None = None


@dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case whose value changed, with what each audit shows of it."""

    case: str
    metric: str
    slices: Mapping[str, str]
    baseline: float
    candidate: float
    baseline_evidence: Evidence | None = None
    candidate_evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class ProbeComparison:
    """A probe in both audits; `why` says why its figures cannot be compared."""

    id: str
    title: str
    why: str | None
    changes: tuple[Change, ...] = ()
    cases: tuple[ChangedCase, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two audits."""

    target: str
    fingerprint: str
    run: str
    finished: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`comparison.json`."""

    baseline: Side
    candidate: Side
    level: float
    probes: tuple[ProbeComparison, ...]
    correction: str = "benjamini-hochberg"
    schema: str = field(default=COMPARISON_SCHEMA)


def compare(baseline: Audit, candidate: Audit, *, level: float = 0.95) -> Comparison:
    """Compare two audits. Raises `DataError` where they have no figure in common."""
    old = {probe.id: probe for probe in baseline.result.probes}
    probes = [
        _compare_probe(baseline, candidate, (probe, old.get(probe.id)), level)
        for probe in candidate.result.probes
    ]
    changes = [change for probe in probes for change in probe.changes]
    if not changes:
        reasons = "; ".join(f"{probe.id}: {probe.why}" for probe in probes) or "the candidate has no probes"
        msg = f"the two audits have no figure that can be compared: {reasons}"
        raise DataError(msg)
    adjusted = iter(false_discovery_control([change.p_value for change in changes]))
    decided = (
        replace(probe, changes=tuple(_read(change, float(next(adjusted)), level) for change in probe.changes))
        for probe in probes
    )
    return Comparison(_side(baseline), _side(candidate), level, tuple(decided))


def _compare_probe(
    baseline: Audit, candidate: Audit, probes: tuple[ProbeResult, ProbeResult | None], level: float
) -> ProbeComparison:
    new, old = probes
    if old is None:
        return ProbeComparison(new.id, new.title, "it is not in the baseline")
    for probe, where in ((new, "candidate"), (old, "baseline")):
        if probe.status != "scored":
            return ProbeComparison(new.id, new.title, f"in the {where} it was not scored: {probe.reason}")
    pairs = Pairs.of(candidate, baseline, (new, old))
    if pairs.unlike:
        return ProbeComparison(new.id, new.title, f"{' and '.join(pairs.unlike)} differ")
    seed = candidate.result.run.seed
    changes = tuple(_changes(new, pairs, level, seed))
    cases = [case for m in new.metrics if not m.slice for case in _most_changed(pairs, m, seed)]
    return ProbeComparison(
        new.id, new.title, None, changes, _with_evidence(cases, baseline, candidate, new.id)
    )


def _changes(probe: ProbeResult, pairs: Pairs, level: float, seed: int) -> Iterator[Change]:
    for metric in probe.metrics:
        found = Difference.of(pairs.of_slice(metric.slice), metric, level=level, seed=seed)
        if found.value is None:
            continue
        new, old, clusters = found.candidate, found.baseline, found.clusters
        groups = len(set(clusters))
        independent = metric.interval.startswith("wilson") and groups == len(clusters)
        differences = [a - b for a, b in zip(new, old, strict=True)]
        p_value = mcnemar(new, old) if independent else sign_flips(differences, clusters, seed=seed)
        yield Change(
            metric=full_name(probe.id, metric),
            title=metric.title,
            unit=metric.unit,
            slice=metric.slice,
            ideal=metric.ideal,
            direction=metric.direction,
            baseline=sum(old) / len(old),
            candidate=sum(new) / len(new),
            difference=found.value,
            low=found.interval.low,
            high=found.interval.high,
            n=len(clusters),
            clusters=groups,
            rose=sum(d > 0 for d in differences),
            fell=sum(d < 0 for d in differences),
            test="mcnemar" if independent else "sign-flips",
            p_value=p_value,
            adjusted=p_value,
            reading=_meaning(metric, found, level=level, seed=seed),
            why=found.interval.why,
        )


def _meaning(metric: Metric, found: Difference, *, level: float, seed: int) -> Reading:
    """Say what the difference means, if there is one: whether the figure is nearer to its ideal."""
    pairs = list(zip(found.candidate, found.baseline, strict=True))
    if metric.direction != "target":
        return "better" if (fsum(a - b for a, b in pairs) < 0) == (metric.direction == "lower") else "worse"
    new, old = (fsum(values) / len(values) - metric.ideal for values in (found.candidate, found.baseline))
    if new * old >= 0:
        return "better" if abs(new) < abs(old) else "worse"
    # On both sides of the ideal, the distances differ by as much as the two figures' sum is off twice the ideal.
    sums = [a + b - 2 * metric.ideal for a, b in pairs]
    between = mean_interval(sums, found.clusters, level=level, seed=seed)
    if between.low is None or between.high is None or between.low <= 0 <= between.high:
        return "crossed"
    return "better" if abs(new) < abs(old) else "worse"


def _read(change: Change, adjusted: float, level: float) -> Change:
    """Let a change stand, once it is known how many were tested, or say that none is shown."""
    reading: Reading = change.reading if adjusted <= 1 - level else "not shown"
    return replace(change, adjusted=adjusted, reading=reading)


def _most_changed(pairs: Pairs, metric: Metric, seed: int) -> list[ChangedCase]:
    """Pick the cases that changed most; among equals, as of a binary figure, by lot."""

    def rank(pair: tuple[Measurement, Measurement]) -> tuple[float, str]:
        new, old = pair
        return abs(new.values[metric.name] - old.values[metric.name]), digest([seed, new.case])

    changed = (p for p in pairs.scored if p[0].values[metric.name] != p[1].values[metric.name])
    return [
        ChangedCase(new.case, metric.name, new.slices, old.values[metric.name], new.values[metric.name])
        for new, old in heapq.nlargest(SHOWN, changed, key=rank)
    ]


def _with_evidence(
    cases: Sequence[ChangedCase], baseline: Audit, candidate: Audit, probe: str
) -> tuple[ChangedCase, ...]:
    wanted = {case.case for case in cases}
    old, new = (_evidence(audit.measurements.get(probe, ()), wanted) for audit in (baseline, candidate))
    return tuple(
        replace(case, baseline_evidence=old[case.case], candidate_evidence=new[case.case]) for case in cases
    )


def _evidence(measurements: Iterable[Measurement], wanted: set[str]) -> dict[str, Evidence | None]:
    return {m.case: m.evidence for m in measurements if m.case in wanted}


def _side(audit: Audit) -> Side:
    run, target = audit.result.run, audit.result.target
    return Side(target.spec, target.fingerprint, run.id, run.finished)
