"""
Confidence sequences: intervals that hold the true value at every sample size at once, so that anyone may stop at any.

An interval for a fixed number of cases is wrong more often than it says if it is looked at again and again until it
decides. A confidence sequence is wrong at any of its looks no more often than that. Clusters come in a random order and
are its unit. There are two:

* `betting`, for means of values between two bounds, where the clusters are not crossed by other groups. A gambler bets
  on each cluster against a hypothesised mean; where it is the true one, the game is fair and the gambler's wealth
  multiplies by `1 / alpha` at any time with a probability of at most `alpha` (Ville 1939; Waudby-Smith & Ramdas 2024,
  J. R. Stat. Soc. B, section 4). The interval holds the means against which no wealth was won. It is exact for any
  number of clusters. The wealth is that of a mixture of constant bets, so it does not depend on the order of the
  clusters, and whoever has the values of an audit can compute it again;
* for any other figure, its usual interval at a higher level: that of the normal mixture boundary (Robbins 1970) for the
  number of clusters, which makes it hold at all numbers in the limit of many (Waudby-Smith, Arbour, Sinha, Kennedy &
  Ramdas 2024, Ann. Stat. 52, section 2). Crossed groups, such as templates, do not grow in number; their part of the
  variance is multiplied by the same quantile, which is more than it needs.

Both are for clusters like these, as the intervals of a fixed number are. The forms for a finite population, which
shrink to nothing as its last cluster is drawn, answer another question: what this suite alone would say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from gptaudit.stats.intervals import Floats, Interval, Labels

BETTING = "betting"
"""Name of the method in results."""

FIRST_LOOK = 20
"""Clusters of a figure's first look: with fewer, the limit of many clusters is far."""

_TIGHT = 8 / 100
"""Variance of the normal mixture: the boundary is tightest, relative to a fixed interval's, at 100 clusters."""
_HIGHEST_LEVEL = 1 - 1e-9
"""Beyond it, which is where there are one or two clusters, quantiles have no digits left."""
_BETS = 32
_HALVINGS = 50


def anytime_quantile(level: float, clusters: int) -> float:
    """Return the normal quantile that the figure exceeds at any number of clusters with probability 1 - level.

    It is `sqrt((1 + 1/r) (log(1 + r) - 2 log(1 - level)))` with `r = 0.08 clusters`.

    >>> round(anytime_quantile(0.95, 100), 2)
    3.03
    """
    r = _TIGHT * clusters
    return sqrt((1 + 1 / r) * (log(1 + r) - 2 * log(1 - level)))


def anytime_level(level: float, clusters: int) -> float:
    """Return the level at which a fixed interval belongs to a sequence of this level.

    >>> round(anytime_level(0.95, 100), 4)
    0.9975
    """
    if not clusters:
        return level
    return min(float(2 * ndtr(anytime_quantile(level, clusters)) - 1), _HIGHEST_LEVEL)


def anytime_p_value(deviations: float, clusters: int) -> float:
    """Return the p-value of a distance of so many standard errors that holds at any number of clusters.

    It is 1 - level for a distance of `anytime_quantile(level, clusters)`.
    """
    r = _TIGHT * clusters
    return min(1.0, sqrt(1 + r) * exp(-(deviations**2) / 2 * r / (1 + r)))


@dataclass(frozen=True, slots=True)
class Bets:
    """The bets on a mean between two bounds: the total of the values and the number of cases of each cluster.

    The totals are of values moved and scaled to between 0 and 1, both (clusters,).
    """

    totals: Floats
    sizes: Floats
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float] | Floats, clusters: Labels, bounds: tuple[float, float]) -> Bets:
        """Return the bets on the mean of `values`, where `clusters[i]` is the cluster of `values[i]`."""
        least, greatest = bounds
        shares = (np.asarray(values, np.float64) - least) / (greatest - least)
        _, index = np.unique(np.asarray(clusters), return_inverse=True)
        totals = np.bincount(index, weights=np.clip(shares, 0.0, 1.0)).astype(np.float64)
        return cls(totals, np.bincount(index).astype(np.float64), least, greatest)

    def interval(self, level: float) -> Interval:
        """Return the means against which less than `2 / (1 - level)` was won on either side.

        >>> Bets.of([0.0] * 100, range(100), (0.0, 1.0)).interval(0.95)
        Interval(low=0.0, high=0.04..., method='betting', why=None)
        """
        if not len(self.sizes):
            return Interval(None, None, BETTING, "no case was scored")
        mean = self._mean
        enough = log(2 / (1 - level))
        low = 0.0 if mean == 0 else _first(lambda m: self._won_above(m) < enough, 0.0, mean)
        high = 1.0 if mean == 1 else 1 - _first(lambda m: self._won_below(1 - m) < enough, 0.0, 1 - mean)
        reach = self.greatest - self.least
        return Interval(self.least + low * reach, self.least + high * reach, BETTING)

    def p_value(self, limit: float) -> float:
        """Return the two-sided p-value of a limit, which holds at any number of clusters: `2 / wealth` against it."""
        share = (limit - self.least) / (self.greatest - self.least)
        if not 0 < share < 1:
            return 1.0 if 0 <= share <= 1 else 0.0
        won = self._won_above(share) if share < self._mean else self._won_below(share)
        return min(1.0, 2 * exp(-won))

    @property
    def _mean(self) -> float:
        return float(self.totals.sum() / self.sizes.sum())

    def _won_above(self, mean: float) -> float:
        """Return the logarithm of the wealth from bets that the true mean is greater than this one."""
        return _won((self.totals / mean - self.sizes) / self.sizes.max()) if mean > 0 else np.inf

    def _won_below(self, mean: float) -> float:
        others = self.sizes - self.totals
        return _won((others / (1 - mean) - self.sizes) / self.sizes.max()) if mean < 1 else np.inf


def _won(gains: Floats) -> float:
    """Return the logarithm of the mean wealth of bets of different shares of it; `gains` is -1 or more, (clusters,)."""
    shares = (1 + np.cos((np.arange(_BETS) + 0.5) * np.pi / _BETS)) / 2
    distinct, counts = np.unique(gains, return_counts=True)
    logs: NDArray[np.float64] = np.log1p(np.outer(shares, distinct)) @ counts
    return float(np.logaddexp.reduce(logs)) - log(_BETS)


def _first(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return where a condition that holds at `high` begins to hold, from below."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return low
