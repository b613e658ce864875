"""Power: the number of clusters that a decision needs, and the margin that the present ones can decide."""

from __future__ import annotations

from bisect import bisect_left
from math import sqrt

from scipy.special import stdtrit

MOST = 10**9
"""Largest number of clusters that `needed_clusters` considers."""


def decided_margin(error: float, clusters: int, *, level: float, power: float) -> float:
    """Return how far from a limit the true value must lie for the interval to exclude the limit with this power.

    `error` is the standard error from `clusters` clusters. The estimate must lie beyond the limit by the half-width of
    its interval, and in a share 1 - power of audits it falls short of the true value by more than `t[power] * error`
    (Chow, Shao & Wang 2008, section 3.2): `(t[level] + t[power]) * error`.
    """
    freedom = max(clusters - 1, 1)
    return float(stdtrit(freedom, (1 + level) / 2) + stdtrit(freedom, power)) * error


def needed_clusters(margin: float, error: float, clusters: int, *, level: float, power: float) -> int | None:
    """Return the smallest number of clusters like these, up to `MOST`, that decides a distance of `margin`, or None.

    With an error of 0.04 from 50 clusters, a margin of 0.1 needs 87 for 90 % power at the 95 % level.
    """

    def decides(count: int) -> bool:
        return decided_margin(error * sqrt(clusters / count), count, level=level, power=power) <= margin

    counts = range(1, MOST + 1)
    # Bisection, since more clusters decide all that fewer decide.
    first = bisect_left(counts, True, key=decides)
    return counts[first] if first < len(counts) else None
