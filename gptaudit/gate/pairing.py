"""Pairs of cases of two audits, and the differences between their figures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum, isfinite
from typing import Any, TypeAlias

import numpy as np

from gptaudit.errors import DataError
from gptaudit.records import AuditResult, GroupContrast, Measurement, Metric, ProbeResult, RankedCases
from gptaudit.stats.auroc import Auroc
from gptaudit.stats.contrast import ContrastSide, contrast_interval, contrast_of_totals
from gptaudit.stats.formula import parsed
from gptaudit.stats.intervals import UNCHANGED, Interval, crossed_groups, difference_interval
from gptaudit.stats.sequences import anytime_level
from gptaudit.stats.totals import FigureFormula, Totals, figure_interval

PairedCase: TypeAlias = tuple[Measurement, Measurement]
"""The measurements of one case in the candidate and in the baseline."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A result with the measurements behind it, by probe."""

    result: AuditResult
    measurements: Mapping[str, Iterable[Measurement]] = field(default_factory=dict)

    def by_case(self, probe: str) -> dict[str, Measurement]:
        """Return a probe's measurements by case, without their evidence, which is most of their size."""
        return {m.case: replace(m, evidence=None) for m in self.measurements.get(probe, ())}


@dataclass(frozen=True, slots=True)
class Pairs:
    """The cases of one probe in two audits."""

    unlike: Sequence[str]
    """Names of what differs between the audits, so that their figures cannot be compared."""
    total: int
    """Number of cases in the candidate."""
    scored: Sequence[PairedCase]
    """(candidate, baseline) of each case that was scored in both."""

    @classmethod
    def of(cls, candidate: Audit, baseline: Audit, probes: tuple[ProbeResult, ProbeResult]) -> Pairs:
        """Pair the cases of `probes`, the candidate's and the baseline's."""
        new, old = candidate.by_case(probes[0].id), baseline.by_case(probes[1].id)
        if candidate.result.run.looks:  # it may have asked a part of what the baseline was asked
            old = {case: m for case, m in old.items() if case in new}
        facts = [_facts(probe, list(cases)) for probe, cases in zip(probes, (new, old), strict=True)]
        unlike = [name for name in facts[0] if facts[0][name] != facts[1][name]]
        both = ((m, old[case]) for case, m in new.items() if case in old)
        return cls(unlike, len(new), [(m, o) for m, o in both if m.unscored is None and o.unscored is None])

    def of_slice(self, slice_: Mapping[str, str]) -> list[PairedCase]:
        """Return the pairs of a slice; `{}` means all."""
        return [pair for pair in self.scored if slice_.items() <= pair[0].slices.items()]

    def of_metric(self, metric: Metric) -> list[PairedCase]:
        """Return the pairs that a figure is computed from: its slice, or for a contrast all groups of its axis."""
        if metric.contrast:
            return [pair for pair in self.scored if metric.slice.keys() <= pair[0].slices.keys()]
        return self.of_slice(metric.slice)


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of a metric between two audits of the same cases: candidate minus baseline.

    `value` and both figures are None if there is no case or a figure is not defined.
    """

    candidate: float | None
    baseline: float | None
    interval: Interval
    n: int
    clusters: int
    units: int
    """Clusters or, if they are fewer, groups that cross them: what the interval is known from."""

    @property
    def value(self) -> float | None:
        """The difference of the two figures."""
        return None if self.candidate is None or self.baseline is None else self.candidate - self.baseline

    @classmethod
    def of(cls, pairs: Sequence[PairedCase], metric: Metric, *, level: float, seed: int) -> Difference:
        """Compare `metric` over these pairs; the interval holds at any number of clusters if the metric's does."""
        clusters, crossed = [m.cluster for m, _ in pairs], crossed_of(pairs, metric)
        groups = len(set(clusters))
        units = groups if metric.anytime else min(groups, crossed_groups(crossed) or groups)
        counts = {"n": len(pairs), "clusters": groups, "units": units}
        level = anytime_level(level, units) if metric.anytime else level
        if not pairs:
            return cls(None, None, Interval(None, None, "none", "no case was scored in both"), **counts)
        if metric.auroc:
            new_area, old_area = both_areas(pairs, metric, metric.auroc)
            if not isfinite(new_area.value):
                undefined = Interval(None, None, "none", "it is not defined: no two cases can be compared")
                return cls(None, None, undefined, **counts)
            areas = new_area.value, old_area.value
            if np.array_equal(*columns(pairs, metric.auroc.score)):
                return cls(*areas, UNCHANGED, **counts)
            rise = new_area.less(old_area).interval(level=level, seed=seed, bounds=(-1.0, 1.0))
            return cls(*areas, rise, **counts)
        if metric.formula:
            return cls._of_totals(pairs, metric, level, seed, counts)
        new, old = columns(pairs, metric.name)
        binary = is_binary(metric, new, old)
        interval = difference_interval(
            new, old, clusters, level=level, seed=seed, binary=binary, crossed=crossed
        )
        return cls(fsum(new) / len(new), fsum(old) / len(old), interval, **counts)

    @classmethod
    def _of_totals(
        cls, pairs: Sequence[PairedCase], metric: Metric, level: float, seed: int, counts: Mapping[str, int]
    ) -> Difference:
        formula = figure_formula(metric)
        new, old = both_totals(pairs, metric)
        figures = new.figure(formula), old.figure(formula)
        if not all(map(isfinite, figures)):
            why = f"it is not defined: {metric.formula} divides by zero"
            return cls(None, None, Interval(None, None, "none", why), **counts)
        if all((new.parts[name] == old.parts[name]).all() for name in new.parts):
            return cls(*figures, UNCHANGED, **counts)
        if metric.contrast:
            return cls(*figures, _contrast_rise(pairs, metric, metric.contrast, level, seed), **counts)
        joint = Totals.joint([new, old])

        def difference(totals: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - a number or an array of them
            one, other = ({n: totals[who, n] for n in new.parts} for who in (0, 1))
            return formula(one) - formula(other)

        return cls(*figures, figure_interval(joint, difference, level=level, seed=seed), **counts)


def _contrast_rise(
    pairs: Sequence[PairedCase], metric: Metric, contrast: GroupContrast, level: float, seed: int
) -> Interval:
    """Return the interval of the increase of a group minus that of the other groups of its axis."""
    asked = [
        pair for pair, *counts in zip(pairs, *columns(pairs, contrast.count), strict=True) if all(counts)
    ]
    rises = np.subtract(*columns(asked, contrast.value))
    clusters = np.array([m.cluster for m, _ in asked])
    inside = np.array([metric.slice.items() <= m.slices.items() for m, _ in asked], dtype=bool)
    own, others = (ContrastSide(rises[rows], clusters[rows]) for rows in (inside, ~inside))

    def of_mean(side: ContrastSide) -> Interval:
        return difference_interval(
            side.values.tolist(), [0.0] * len(side.values), side.clusters.tolist(), level=level, seed=seed
        )

    return contrast_interval(own, others, of_mean)


def both_areas(pairs: Sequence[PairedCase], metric: Metric, ranked: RankedCases) -> tuple[Auroc, Auroc]:
    """Return the areas under the ROC curve in the candidate and in the baseline, which have the same positive cases."""
    positive = np.array(columns(pairs, ranked.positive)[0]) > 0
    strata, clusters = (
        [m.stratum(ranked.axes, ranked.within) for m, _ in pairs],
        [m.cluster for m, _ in pairs],
    )
    new, old = (
        Auroc.of_means(scores, positive, strata, clusters, crossed_of(pairs, metric))
        for scores in columns(pairs, ranked.score)
    )
    return new, old


def columns(pairs: Sequence[PairedCase], name: str) -> tuple[list[float], list[float]]:
    """Return a value of each case in the candidate and in the baseline; raise `DataError` if a case lacks it."""
    try:
        return [new.values[name] for new, _ in pairs], [old.values[name] for _, old in pairs]
    except KeyError:
        msg = f"the measurements of one audit have no value {name!r}, which the other's figures are computed from"
        raise DataError(f"{msg}; run both with the same version of gptaudit") from None


def crossed_of(pairs: Sequence[PairedCase], metric: Metric) -> list[str]:
    """Return the group of each case that crosses the clusters; empty if the metric's interval allows for none."""
    return [m.crossed for m, _ in pairs] if metric.crossed else []


def is_binary(metric: Metric, new: Sequence[float], old: Sequence[float]) -> bool:
    """Return whether a metric is binary: it has a Wilson interval, and every value is 0 or 1."""
    return metric.interval.startswith("wilson") and {*new, *old} <= {0.0, 1.0}


def figure_formula(metric: Metric) -> FigureFormula:
    """Return the function that computes a ratio or a contrast from the totals of `both_totals`."""
    return contrast_of_totals if metric.contrast else parsed(metric.formula)


def both_totals(pairs: Sequence[PairedCase], metric: Metric) -> tuple[Totals, Totals]:
    """Return the totals of a ratio or a contrast in the candidate and in the baseline."""
    both: dict[Any, tuple[list[float], list[float]]]
    if metric.contrast is None:
        both = {name: columns(pairs, name) for name in parsed(metric.formula).names}
        parts = {name: (np.array(new), np.array(old)) for name, (new, old) in both.items()}
    else:
        inside = np.array([metric.slice.items() <= m.slices.items() for m, _ in pairs])
        both = {
            "value": columns(pairs, metric.contrast.value),
            "count": columns(pairs, metric.contrast.count),
        }
        parts = {
            (side, name): (np.array(new) * adds, np.array(old) * adds)
            for side, adds in (("own", inside), ("others", ~inside))
            for name, (new, old) in both.items()
        }
    clusters = np.array([m.cluster for m, _ in pairs])
    new_totals, old_totals = (
        Totals.of(
            {name: values[who] for name, values in parts.items()},
            clusters,
            macro=metric.macro,
            crossed=crossed_of(pairs, metric),
        )
        for who in (0, 1)
    )
    return new_totals, old_totals


def _facts(probe: ProbeResult, cases: Sequence[str]) -> dict[str, object]:
    return {
        "probe version": probe.version,
        "data sha256": probe.data.sha256 if probe.data else None,
        "method": json.dumps(dict(probe.method), sort_keys=True),
        "cases": sorted(cases),
    }
