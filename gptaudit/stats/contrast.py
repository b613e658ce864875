"""
Interval for the mean of one group of cases minus the mean of the other groups.

The interval is computed from the intervals of the two means (`stats.mover`), so that each mean has the interval that
suits its own kind of values and number of clusters. Clusters with cases on both sides correlate the two means.

Resampling all clusters together would not do: few of them determine the mean of a small group, and its bootstrap
interval is too narrow (`tests/bench/interval_coverage.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.stats.intervals import Floats, Interval
from gptaudit.stats.mover import Estimates

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
    means = Estimates.of_means([(side.values, side.clusters) for side in (own, others)], (one, other))
    gap = own.mean - others.mean
    return Interval(gap - means.reach((1, -1), -1), gap + means.reach((1, -1), 1), METHOD)


def contrast_of_totals(totals: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - a number, or an array like the totals
    """Return the contrast from totals over cases: `("own" or "others", "value" or "count")` -> total."""
    with np.errstate(divide="ignore", invalid="ignore"):
        own, others = (
            np.asarray(totals[side, "value"], np.float64) / totals[side, "count"]
            for side in ("own", "others")
        )
    return own - others
