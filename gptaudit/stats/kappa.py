"""
Cohen's kappa: how far two raters agree beyond chance (Cohen 1960).

Its interval is Wilson's on an effective number of cases, as for any figure between two bounds (`stats.intervals`), with
the clusters' contributions by kappa's influence function, which without clusters gives the large-sample variance of
Fleiss, Cohen & Everitt (1969). Where the raters never disagree, as many disagreements may have been missed as among the
clusters drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from gptaudit.stats.intervals import FEWEST_CLUSTERS, WILSON_CLUSTERED, Interval, Spread, agreed, effective

METHOD = WILSON_CLUSTERED
ROUNDING = 1e-12


def cohens_kappa(
    first: Sequence[bool], second: Sequence[bool], clusters: Sequence[Any], *, level: float
) -> tuple[float | None, Interval]:
    """Return the agreement of two raters on the same cases beyond chance, with its interval.

    None where it is not defined: both give every case the same verdict.

    >>> cohens_kappa([True] * 20 + [False] * 20, [True] * 15 + [False] * 25, range(40), level=0.95)
    (0.75, Interval(low=0.5..., high=0.8..., method='wilson-clustered', why=None))
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    shares = (float(x.mean()), float(y.mean())) if len(x) else (0.0, 0.0)
    by_chance = shares[0] * (1 - shares[1]) + shares[1] * (1 - shares[0])
    if by_chance == 0:
        return None, Interval(None, None, METHOD, "both give every text the same verdict")
    differ = (x != y).astype(np.float64)
    kappa = float(1 - differ.mean() / by_chance)
    if any(share in (0.0, 1.0) for share in shares):
        return kappa, Interval(None, None, METHOD, "one of the two gives every text the same verdict")
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < FEWEST_CLUSTERS:
        why = f"{len(names)} clusters are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        return kappa, Interval(None, None, METHOD, why)
    if not differ.any():
        missed = agreed(0.0, len(names), level, (0.0, 1.0), METHOD).high or 0.0
        return kappa, Interval(max(-1.0, 1 - missed / by_chance), 1.0, METHOD)
    moved = (x - shares[0]) * (1 - 2 * shares[1]) + (y - shares[1]) * (1 - 2 * shares[0])
    influence = -(differ - differ.mean()) / by_chance + differ.mean() / by_chance**2 * moved
    shifts = np.bincount(index, weights=influence) / len(x) * sqrt(len(names) / (len(names) - 1))
    if np.abs(shifts).max() < ROUNDING:
        return kappa, agreed(kappa, len(names), level, (-1.0, 1.0), METHOD)
    return kappa, effective(kappa, Spread.of(shifts), level, (-1.0, 1.0))
