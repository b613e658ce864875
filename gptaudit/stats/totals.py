"""
Figures computed from totals over cases: ratios, differences of means, products.

A figure is `formula(totals)`, where each total is a sum over all cases, or with `macro` over the means of the
clusters. Its interval is one of

* `cluster-bca`, from 500 clusters on: the bias-corrected and accelerated bootstrap (Efron 1987; Efron & Tibshirani
  1993, section 14.3) over whole clusters. With fewer it covers too rarely (`tests/bench/interval_coverage.py`);
* `wilson-clustered`, for a figure between two bounds from fewer clusters: the interval of a bounded mean, with the
  jackknife's shifts of the figure (Efron & Tibshirani 1993, chapter 11);
* `cluster-bootstrap-t`, for any other figure from fewer clusters: the interval of the mean of the jackknife's
  pseudo-values (Tukey 1958), by resampling them;
* `wilson-two-way` and `two-way-t`, where the cases are in crossed groups too: see `gptaudit.stats.intervals`.

Clusters that are zero in every total of the formula carry no information and do not count. Two models on the same
cases are compared by a permutation test that exchanges them cluster by cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from gptaudit.stats.intervals import (
    FEWEST_CLUSTERS,
    Bounds,
    Floats,
    Interval,
    Spread,
    agreed,
    cells,
    clipped,
    crossed_groups,
    effective,
    mean_interval,
    two_way,
    two_way_interval,
    wider,
)

FigureFormula: TypeAlias = Callable[[Mapping[Any, Any]], Any]
"""Function of totals by name, numbers or arrays of one shape, that returns the figure; see `stats.formula.Formula`."""

RESAMPLES = 4_000
EXCHANGES = 9_999
"""Random exchanges in a permutation test."""
_BLOCK = 2_000_000
"""Resamples x clusters drawn at once, to limit memory."""
FEW_CLUSTERS = 500
"""From this many clusters on, a figure has the BCa bootstrap interval."""
MOST_UNDEFINED = 0.05
"""Largest share of resamples in which the figure may be undefined, for example because a denominator is zero."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals by name, split by cluster: name -> (clusters,)."""

    parts: Mapping[Any, Floats]
    crossed: tuple[Totals, Totals] | None = None
    """The same totals split by the groups that cross the clusters, and by the cells of both; None without such."""

    @classmethod
    def of(
        cls,
        values: Mapping[Any, Floats],
        clusters: NDArray[Any],
        *,
        macro: bool,
        crossed: Sequence[str] | NDArray[Any] = (),
    ) -> Totals:
        """Sum values (cases,) by cluster; with `macro`, take the mean of each cluster, so that all weigh the same.

        `crossed` are the groups of the cases that cross the clusters; a mean of clusters does not know them.
        """
        if not macro and crossed_groups(crossed):
            by_group, by_cell = (
                cls.of(values, np.asarray(labels), macro=False)
                for labels in (crossed, cells(clusters, crossed))
            )
            return cls(cls.of(values, clusters, macro=False).parts, (by_group, by_cell))
        _, index = np.unique(clusters, return_inverse=True)
        sizes = np.bincount(index).astype(np.float64)
        sums = {name: np.bincount(index, weights=v).astype(np.float64) for name, v in values.items()}
        return cls({name: s / sizes if macro else s for name, s in sums.items()})

    @classmethod
    def joint(cls, both: Sequence[Totals]) -> Totals:
        """Return the totals of several models over the same clusters in one: `(0, NAME)` is that of the first."""
        crossed = [totals.crossed for totals in both]
        parts = {(who, name): part for who, totals in enumerate(both) for name, part in totals.parts.items()}
        pairs = [pair for pair in crossed if pair is not None]
        if not pairs:
            return cls(parts)
        by_group, by_cell = (cls.joint(side) for side in zip(*pairs, strict=True))
        return cls(parts, (by_group, by_cell))

    @property
    def groups(self) -> int:
        """Number of clusters."""
        return len(next(iter(self.parts.values())))

    def telling(self) -> Totals:
        """Leave out the clusters that are zero in every total."""
        nonzero = np.any([part != 0 for part in self.parts.values()], axis=0)
        parts = {name: part[nonzero] for name, part in self.parts.items()}
        if self.crossed is None:
            return Totals(parts)
        by_group, by_cell = (side.telling() for side in self.crossed)
        return Totals(parts, (by_group, by_cell) if by_group.groups >= FEWEST_CLUSTERS else None)

    def figure(self, formula: FigureFormula) -> float:
        """Return the figure; NaN or infinite if it is undefined."""
        return float(formula({name: part.sum() for name, part in self.parts.items()}))

    def without_each(self, formula: FigureFormula) -> Floats:
        """Return the figure without each cluster, (clusters,)."""
        return _spread(formula({n: part.sum() - part for n, part in self.parts.items()}), self.groups)

    def shifts(self, formula: FigureFormula) -> Floats:
        """Return each cluster's contribution to the figure's error by the jackknife, (clusters,)."""
        left_out = self.without_each(formula)
        shifts: Floats = np.sqrt(1 - 1 / self.groups) * (left_out.mean() - left_out)
        return shifts

    def resampled(self, formula: FigureFormula, seed: int) -> Floats:
        """Return the figure of each bootstrap resample of the clusters, (RESAMPLES,)."""
        generator = np.random.default_rng(seed)
        block = max(1, _BLOCK // self.groups)
        found = []
        for start in range(0, RESAMPLES, block):
            count = min(block, RESAMPLES - start)
            drawn = generator.integers(self.groups, size=(count, self.groups))
            found.append(
                _spread(formula({n: part[drawn].sum(axis=1) for n, part in self.parts.items()}), count)
            )
        return np.concatenate(found)


def figure_interval(
    totals: Totals, formula: FigureFormula, *, level: float, seed: int, bounds: Bounds = (None, None)
) -> Interval:
    """Return an interval for a figure; the figure itself must be defined."""
    method = "cluster-bca"
    value, totals = totals.figure(formula), totals.telling()
    if totals.groups < FEWEST_CLUSTERS:
        return too_few(totals.groups, method)
    left_out = totals.without_each(formula)
    if not np.isfinite(left_out).all():
        return Interval(None, None, method, "the figure is undefined without one of the clusters")
    if np.ptp(left_out) <= 1e-12 * max(1.0, abs(value)):
        return agreed(value, totals.groups, level, bounds, method)
    if totals.crossed or totals.groups < FEW_CLUSTERS:
        return _by_jackknife(totals, formula, level, seed, bounds)
    drawn = totals.resampled(formula, seed)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < (1 - MOST_UNDEFINED) * RESAMPLES:
        return Interval(None, None, method, "the figure is undefined in too many bootstrap resamples")
    low, high = (float(end) for end in np.quantile(drawn, _bca_levels(value, drawn, left_out, level)))
    return clipped(min(low, value), max(high, value), bounds, method)


def too_few(groups: int, method: str) -> Interval:
    """Return the interval of a figure that fewer than `FEWEST_CLUSTERS` clusters tell of: none, and why."""
    why = f"{groups} clusters are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
    return Interval(None, None, method, why)


def pseudo_values(value: float, shifts: Floats) -> Floats:
    """Return the jackknife's pseudo-values (Tukey 1958), whose mean is the figure up to its bias, (clusters,)."""
    groups = len(shifts)
    found: Floats = value + sqrt(groups * max(groups - 1, 0)) * shifts
    return found


def _by_jackknife(
    totals: Totals, formula: FigureFormula, level: float, seed: int, bounds: Bounds
) -> Interval:
    """Return the interval of a figure from the jackknife: of crossed groups, or of few clusters."""
    crossed = (
        (totals.crossed[0].shifts(formula), totals.crossed[1].shifts(formula)) if totals.crossed else None
    )
    value, shifts = totals.figure(formula), totals.shifts(formula)
    return interval_of_shifts(value, shifts, crossed, level=level, seed=seed, bounds=bounds)


def interval_of_shifts(
    value: float,
    shifts: Floats,
    crossed: tuple[Floats, Floats] | None,
    *,
    level: float,
    seed: int,
    bounds: Bounds,
) -> Interval:
    """Return the interval of a figure from each cluster's contribution to its error, (clusters,).

    `crossed` are the contributions of the groups that cross the clusters and of the cells of both, if there are such.
    """
    groups, (least, greatest) = len(shifts), bounds
    if least is not None and greatest is not None:
        of_clusters = effective(value, Spread.of(shifts), level, (least, greatest))
    else:
        pseudo = pseudo_values(value, shifts)
        of_clusters = mean_interval(pseudo, np.arange(groups), level=level, seed=seed, bounds=bounds)
    if crossed is None:
        return of_clusters
    of_groups, of_cells = crossed
    spread = two_way(shifts, of_groups, of_cells)
    of_both = two_way_interval(value, spread, min(groups, len(of_groups)), level, bounds)
    return wider(of_both, of_clusters)


def exchange_test(new: Totals, old: Totals, formula: FigureFormula, *, seed: int) -> float:
    """Return the two-sided p-value of the permutation test that exchanges the two models' cases cluster by cluster."""
    observed = abs(new.figure(formula) - old.figure(formula)) * (1 - 1e-9)  # rounding
    if not np.isfinite(observed) or observed == 0:
        return 1.0
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // new.groups)
    as_far = 0
    for start in range(0, EXCHANGES, block):
        kept = generator.integers(0, 2, size=(min(block, EXCHANGES - start), new.groups)).astype(np.float64)
        one, other = (
            formula({n: kept @ a.parts[n] + (1 - kept) @ b.parts[n] for n in a.parts})
            for a, b in ((new, old), (old, new))
        )
        as_far += int((~(np.abs(one - other) < observed)).sum())
    return (1 + as_far) / (1 + EXCHANGES)


def _bca_levels(value: float, drawn: Floats, left_out: Floats, level: float) -> Floats:
    """Return the quantile levels of the interval's ends (Efron & Tibshirani 1993, equations 14.9-14.15)."""
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn == value) / 2) / len(drawn)
    bias = ndtri(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    deviations = left_out.mean() - left_out
    acceleration = (deviations**3).sum() / (6 * ((deviations**2).sum()) ** 1.5)
    z = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    ends: Floats = ndtr(bias + z / (1 - acceleration * z))
    return ends


def _spread(values: object, count: int) -> Floats:
    """Return `values` as an array (count,); a formula without names gives a single number."""
    return np.broadcast_to(np.asarray(values, np.float64), (count,))
