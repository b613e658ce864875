"""
Interval for the mean of one group of cases minus the mean of the other groups.

The interval is computed from the intervals of the two means (MOVER: Newcombe 1998, method 10; Zou & Donner 2008), so
that each mean has the interval that suits its own kind of values and number of clusters. Clusters with cases on both
sides correlate the two means; the correlation enters as in Zou (2007).

Resampling all clusters together would not do: few of them determine the mean of a small group, and its bootstrap
interval is too narrow (`tests/bench/interval_coverage.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum, hypot, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.stats.intervals import Floats, Interval

METHOD = "mover"


@dataclass(frozen=True, slots=True)
class ContrastSide:
    """The cases of one side: values (cases,) and their clusters (cases,)."""

    values: Floats
    clusters: NDArray[Any]

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return fsum(self.values) / len(self.values)


MeanInterval: TypeAlias = Callable[[ContrastSide], Interval]


def contrast_interval(own: ContrastSide, others: ContrastSide, of_mean: MeanInterval) -> Interval:
    """Return an interval for the mean of `own` minus the mean of `others`; `of_mean` computes that of one mean."""
    one, other = of_mean(own), of_mean(others)
    for side, interval in (("the group", one), ("the others", other)):
        if interval.low is None or interval.high is None:
            return Interval(None, None, METHOD, f"no interval for the mean of {side}: {interval.why}")
    correlation = _correlation(own, others)
    below, above = _margins(own.mean, one)
    other_below, other_above = _margins(others.mean, other)
    gap = own.mean - others.mean
    return Interval(
        gap - _combined(below, other_above, correlation),
        gap + _combined(above, other_below, correlation),
        METHOD,
    )


def _margins(mean: float, interval: Interval) -> tuple[float, float]:
    """Return the distances from the mean down and up to the ends of its interval."""
    low, high = interval.low or 0.0, interval.high or 0.0
    return mean - low, high - mean


def _combined(one: float, other: float, correlation: float) -> float:
    """Return the margin of a difference from the margins of its two correlated terms."""
    return sqrt(max(hypot(one, other) ** 2 - 2 * correlation * one * other, 0.0))


def _correlation(own: ContrastSide, others: ContrastSide) -> float:
    """Return the correlation of the two means that clusters with cases on both sides cause."""
    one, other = _residuals(own), _residuals(others)
    size = sqrt(fsum(e * e for e in one.values()) * fsum(e * e for e in other.values()))
    return fsum(one[c] * other[c] for c in one.keys() & other.keys()) / size if size else 0.0


def _residuals(side: ContrastSide) -> dict[Any, float]:
    """Return for each cluster the sum of its values' deviations from the mean."""
    names, index = np.unique(side.clusters, return_inverse=True)
    sums = np.bincount(index, weights=side.values - side.mean)
    return dict(zip(names.tolist(), sums.tolist(), strict=True))


def contrast_of_totals(totals: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - a number, or an array like the totals
    """Return the contrast from totals over cases: `("own" or "others", "value" or "count")` -> total."""
    with np.errstate(divide="ignore", invalid="ignore"):
        own, others = (
            np.asarray(totals[side, "value"], np.float64) / totals[side, "count"]
            for side in ("own", "others")
        )
    return own - others
