"""
The mean of one group of cases less that of the others.

The interval is recovered from those of the two means (MOVER: Newcombe 1998, method 10; Zou & Donner 2008), so that
each side has the interval which holds for its own kind and number of clusters. Clusters with cases on both sides make
the two means move together; the correlation that they cause enters as in Zou (2007).

Resampling all clusters at once would not do: few of them decide the mean of a small group, and the bootstrap is too
sure of it (`tests/bench/interval_coverage.py`).
"""

from __future__ import annotations

from collections.abc import Callable
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
    """Return an interval for the mean of `own` less that of `others`; `of_mean` gives that of either."""
    one, other = of_mean(own), of_mean(others)
    for side, interval in (("the group", one), ("the others", other)):
        if interval.low is None or interval.high is None:
            return Interval(None, None, METHOD, f"of {side}: {interval.why}")
    shared = _correlation(own, others)
    below, above = _sides(own.mean, one)
    other_below, other_above = _sides(others.mean, other)
    gap = own.mean - others.mean
    return Interval(
        gap - _joined(below, other_above, shared), gap + _joined(above, other_below, shared), METHOD
    )


def _sides(mean: float, interval: Interval) -> tuple[float, float]:
    low, high = interval.low or 0.0, interval.high or 0.0
    return mean - low, high - mean


def _joined(one: float, other: float, correlation: float) -> float:
    """Return how far a difference reaches whose two parts reach so far and are correlated."""
    return sqrt(max(hypot(one, other) ** 2 - 2 * correlation * one * other, 0.0))


def _correlation(own: ContrastSide, others: ContrastSide) -> float:
    """Return the correlation of the two means by the clusters that have cases on both sides."""
    one, other = _residuals(own), _residuals(others)
    size = sqrt(fsum(e * e for e in one.values()) * fsum(e * e for e in other.values()))
    return fsum(one[c] * other[c] for c in one.keys() & other.keys()) / size if size else 0.0


def _residuals(side: ContrastSide) -> dict[Any, float]:
    """Return, by cluster, what it adds to the sum beyond its share of the mean."""
    names, index = np.unique(side.clusters, return_inverse=True)
    sums = np.bincount(index, weights=side.values - side.mean)
    return dict(zip(names.tolist(), sums.tolist(), strict=True))
