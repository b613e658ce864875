"""
Intervals of what is computed from several estimates, recovered from the estimates' own intervals.

The margin of a sum of independent estimates is the root of the sum of their squared margins, each taken on the side
that moves the sum (MOVER, the method of variance estimates recovery: Newcombe 1998, method 10; Zou & Donner 2008).
Clusters that contribute to several estimates correlate them; the correlation enters as in Zou (2007). The end of the
interval of a ratio `a / b` is the share for which `a - share * b`, less or plus its own margin, is zero (Fieller 1954).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.stats.intervals import Floats, Interval

Sample: TypeAlias = tuple[Floats, NDArray[Any]]
"""Values (cases,) and their clusters (cases,)."""

_HALVINGS = 60


@dataclass(frozen=True, slots=True)
class Estimates:
    """Values, the ends of their intervals, each (estimates,), and their correlations (estimates, estimates)."""

    values: Floats
    lows: Floats
    highs: Floats
    correlations: Floats

    @classmethod
    def of_means(cls, samples: Sequence[Sample], intervals: Sequence[Interval]) -> Estimates:
        """Return the means of samples and how common clusters correlate them; the intervals' ends must be known."""
        values = np.array([fsum(values) / len(values) for values, _ in samples])
        names, index = np.unique(np.concatenate([clusters for _, clusters in samples]), return_inverse=True)
        errors, start = np.empty((len(samples), len(names))), 0
        for i, (sample, _) in enumerate(samples):
            places = index[start : start + len(sample)]
            errors[i] = np.bincount(places, weights=sample - values[i], minlength=len(names))
            start += len(sample)
        sizes = np.linalg.norm(errors, axis=1)
        errors /= np.where(sizes, sizes, 1.0)[:, None]
        correlations = errors @ errors.T
        np.fill_diagonal(correlations, 1.0)
        ends = np.array([(i.low, i.high) for i in intervals], np.float64).T
        return cls(values, np.minimum(ends[0], values), np.maximum(ends[1], values), correlations)

    def reach(self, weights: Sequence[float], side: int) -> float:
        """Return how far the interval of the weighted sum reaches below it (side -1) or above it (side 1)."""
        w = np.asarray(weights, np.float64)
        margins = w * np.where(w * side > 0, self.highs - self.values, self.values - self.lows)
        return sqrt(max(float(margins @ self.correlations @ margins), 0.0))


def zero_of(falling: Callable[[float], float]) -> float:
    """Return where a falling function on [0, 1] is zero; 0 or 1, the nearer one, if it is nowhere."""
    low, high = 0.0, 1.0
    if falling(low) <= 0:
        return low
    if falling(high) >= 0:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
