"""Tests of whether two models differ on the same cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLIPS = 9_999
"""Sign changes drawn at random if there are too many to try all."""
MOST_EXHAUSTIVE = 13
"""Up to this many clusters, all sign changes are tried: 8,192 at most."""
_BLOCK = 2_000_000


def mcnemar(candidate: Sequence[float], baseline: Sequence[float]) -> float:
    """Return the exact two-sided p-value of McNemar's test (1947) for independent cases of 0 and 1.

    Only cases that changed carry information; if the models are alike, either direction of change is equally likely.

    >>> mcnemar([1, 1, 1, 0, 0], [0, 0, 0, 0, 0])
    0.25
    """
    from scipy.stats import binomtest  # imported late: it takes as long as an audit's other imports

    up = sum(a > b for a, b in zip(candidate, baseline, strict=True))
    down = sum(a < b for a, b in zip(candidate, baseline, strict=True))
    return float(binomtest(up, up + down).pvalue) if up + down else 1.0


def sign_flips(differences: Sequence[float], clusters: Sequence[str], *, seed: int) -> float:
    """Return the two-sided p-value of the paired permutation test over clusters (Fisher 1935, section 21).

    If the two models are alike, the differences of a whole cluster are equally likely with the opposite sign. The
    p-value is the share of sign changes whose sum lies at least as far from zero as the observed one; it is exact if
    all are tried, otherwise valid for any number drawn (Phipson & Smyth 2010).

    >>> sign_flips([1.0, 2.0, 3.0], ["a", "b", "c"], seed=0)
    0.25
    """
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    totals = np.bincount(index, weights=np.asarray(differences, dtype=np.float64))
    totals = totals[np.abs(totals) > 1e-12 * np.abs(totals).max(initial=0.0)]
    if not len(totals):
        return 1.0
    observed = abs(float(totals.sum())) * (1 - 1e-9)  # equal sums may differ by rounding
    if len(totals) <= MOST_EXHAUSTIVE:
        signs = 1 - 2 * ((np.arange(2 ** len(totals))[:, None] >> np.arange(len(totals))) & 1)
        return float((np.abs(signs @ totals) >= observed).mean())
    return (1 + _as_far(totals, observed, np.random.default_rng(seed))) / (1 + FLIPS)


def _as_far(totals: NDArray[np.float64], observed: float, generator: np.random.Generator) -> int:
    """Return how many of `FLIPS` random sign changes have a sum at least as far from zero as `observed`."""
    block = max(1, _BLOCK // len(totals))
    counts = (min(block, FLIPS - start) for start in range(0, FLIPS, block))
    sums = (generator.integers(0, 2, size=(count, len(totals))) * 2 - 1 for count in counts)
    return sum(int((np.abs(signs @ totals) >= observed).sum()) for signs in sums)
