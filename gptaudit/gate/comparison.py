"""
Comparison of two audits of the same cases: `gptaudit compare`.

Each figure is compared case by case. A change is tested by McNemar's test if cases are independent and 0 or 1, else by
flipping the signs of whole clusters; a figure computed from totals is tested by exchanging whole clusters between the
audits. Over all figures and slices the false discovery rate is held at 1 - level (Benjamini & Hochberg 1995), which
is less strict than the gate's correction: a comparison explores, and does not decide.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, TypeAlias

from gptaudit.errors import DataError
from gptaudit.evidence.plan import digest
from gptaudit.gate.pairing import (
    Audit,
    Difference,
    PairedCase,
    Pairs,
    both_areas,
    both_totals,
    columns,
    figure_formula,
    is_binary,
)
from gptaudit.records import Evidence, Measurement, Metric, ProbeResult, full_name
from gptaudit.stats.effects import cohens_d, cohens_h
from gptaudit.stats.intervals import DEFAULT_LEVEL
from gptaudit.stats.paired import mcnemar, sign_flips
from gptaudit.stats.totals import exchange_test

COMPARISON_SCHEMA = "gptaudit.comparison/1"
SHOWN = 6
"""Number of cases shown for each figure: those that changed most."""

Effect: TypeAlias = Literal["cohens-h", "cohens-d"]
Test: TypeAlias = Literal["mcnemar", "sign-flips", "exchanges"]
Trend: TypeAlias = Literal["better", "worse", "crossed", "not shown"]
"""Whether a figure came nearer to its ideal. `crossed`: the ideal lies between the two values, and which of them is
nearer cannot be told; `not shown`: there is no evidence of a change."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both audits. `low` and `high` bound the difference; they are null only if `why` says why."""

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
    rose: int | None
    """Cases whose value is larger in the candidate; None if the figure is computed from totals."""
    fell: int | None
    test: Test
    p_value: float
    adjusted: float
    reading: Trend
    effect: Effect | None = None
    """Measure of `effect_size`: h for two proportions, d for two means; None if the figure is not a mean."""
    effect_size: float | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class ChangedCase:
    """A case whose value changed, with its evidence in each audit."""

    case: str
    metric: str
    slices: Mapping[str, str]
    baseline: float
    candidate: float
    baseline_evidence: Evidence | None = None
    candidate_evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class ProbeComparison:
    """One probe in both audits; `why` is the reason if its figures cannot be compared."""

    id: str
    title: str
    why: str | None
    changes: tuple[Change, ...] = ()
    cases: tuple[ChangedCase, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedAudit:
    """One of the two audits."""

    target: str
    fingerprint: str
    run: str
    finished: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Content of `comparison.json`."""

    baseline: ComparedAudit
    candidate: ComparedAudit
    level: float
    probes: tuple[ProbeComparison, ...]
    correction: str = "benjamini-hochberg"
    schema: str = field(default=COMPARISON_SCHEMA)


def compare(baseline: Audit, candidate: Audit, *, level: float = DEFAULT_LEVEL) -> Comparison:
    """Compare two audits. Raises `DataError` if they have no figure in common."""
    from scipy.stats import false_discovery_control  # see `gptaudit.stats.paired`

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
    if not pairs.scored:
        return ProbeComparison(new.id, new.title, "no case was scored in both")
    seed = candidate.result.run.seed
    changes = tuple(_changes((new, old), pairs, level, seed))
    means = [metric for metric in new.metrics if not metric.slice and metric.is_mean]
    cases = [case for metric in means for case in _most_changed(pairs, metric, seed)]
    return ProbeComparison(
        new.id, new.title, None, changes, _with_evidence(cases, baseline, candidate, new.id)
    )


def _changes(
    probes: tuple[ProbeResult, ProbeResult], pairs: Pairs, level: float, seed: int
) -> Iterator[Change]:
    new, old = probes
    before = {full_name(old.id, metric): metric for metric in old.metrics}
    for metric in new.metrics:
        name = full_name(new.id, metric)
        of_metric = pairs.of_metric(metric)
        found = Difference.of(of_metric, metric, level=level, seed=seed)
        if found.candidate is None or found.baseline is None or name not in before:
            continue
        test, p_value = _test(of_metric, metric, found, seed)
        differences = _differences(of_metric, metric) if metric.is_mean else []
        effect, effect_size = _effect(of_metric, metric, found)
        yield Change(
            metric=name,
            title=metric.title,
            unit=metric.unit,
            slice=metric.slice,
            ideal=metric.ideal,
            direction=metric.direction,
            baseline=found.baseline,
            candidate=found.candidate,
            difference=found.candidate - found.baseline,
            low=found.interval.low,
            high=found.interval.high,
            n=found.n,
            clusters=found.clusters,
            rose=sum(d > 0 for d in differences) if metric.is_mean else None,
            fell=sum(d < 0 for d in differences) if metric.is_mean else None,
            test=test,
            p_value=p_value,
            adjusted=p_value,
            reading=_meaning(metric, before[name], found.candidate, found.baseline),
            effect=effect,
            effect_size=effect_size,
            why=found.interval.why,
        )


def _test(pairs: Sequence[PairedCase], metric: Metric, found: Difference, seed: int) -> tuple[Test, float]:
    if metric.auroc:
        new_area, old_area = both_areas(pairs, metric, metric.auroc)
        shifts = new_area.less(old_area).pseudo_values
        return "sign-flips", sign_flips(list(shifts), list(map(str, range(len(shifts)))), seed=seed)
    if metric.formula:
        return "exchanges", exchange_test(*both_totals(pairs, metric), figure_formula(metric), seed=seed)
    new, old = columns(pairs, metric.name)
    if found.clusters == found.n and is_binary(metric, new, old):
        return "mcnemar", mcnemar(new, old)
    clusters = [m.cluster for m, _ in pairs]
    return "sign-flips", sign_flips(_differences(pairs, metric), clusters, seed=seed)


def _effect(
    pairs: Sequence[PairedCase], metric: Metric, found: Difference
) -> tuple[Effect | None, float | None]:
    if not metric.is_mean or found.candidate is None or found.baseline is None:
        return None, None
    new, old = columns(pairs, metric.name)
    if is_binary(metric, new, old):
        return "cohens-h", cohens_h(found.candidate, found.baseline)
    return "cohens-d", cohens_d(new, old)


def _differences(pairs: Sequence[PairedCase], metric: Metric) -> list[float]:
    return [new.values[metric.name] - old.values[metric.name] for new, old in pairs]


def _meaning(new: Metric, old: Metric, candidate: float, baseline: float) -> Trend:
    """Return whether the candidate's figure is nearer to its ideal, supposing that there is a difference."""
    if new.direction != "target":
        return "better" if (candidate < baseline) == (new.direction == "lower") else "worse"
    nearer = abs(baseline - new.ideal) - abs(candidate - new.ideal)
    between = (candidate - new.ideal) * (baseline - new.ideal) < 0
    if between and abs(nearer) <= _half_width(new) + _half_width(old):
        return "crossed"
    return "better" if nearer > 0 else "worse"


def _half_width(metric: Metric) -> float:
    return inf if metric.low is None or metric.high is None else (metric.high - metric.low) / 2


def _read(change: Change, adjusted: float, level: float) -> Change:
    """Set the adjusted p-value of a change; its reading becomes `not shown` if that exceeds 1 - level."""
    reading: Trend = change.reading if adjusted <= 1 - level else "not shown"
    return replace(change, adjusted=adjusted, reading=reading)


def _most_changed(pairs: Pairs, metric: Metric, seed: int) -> list[ChangedCase]:
    """Return the cases that changed most; equal changes, common in binary figures, are drawn at random by the seed."""

    def rank(pair: PairedCase) -> tuple[float, str]:
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


def _side(audit: Audit) -> ComparedAudit:
    run, target = audit.result.run, audit.result.target
    return ComparedAudit(target.spec, target.fingerprint, run.id, run.finished)
