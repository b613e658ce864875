"""Correction for multiple tests, and p-values derived from intervals."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.special import bdtr, bdtrc, stdtr, stdtrit

from gptaudit.stats.sequences import anytime_p_value, anytime_quantile


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (Holm 1979).

    Rejecting all hypotheses with an adjusted p-value of at most alpha keeps the probability of any false rejection
    at or below alpha.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def quantile(level: float, clusters: int, *, anytime: bool = False) -> float:
    """Return the two-sided quantile of an interval from so many clusters: of t, or of a confidence sequence."""
    if anytime:
        return anytime_quantile(level, clusters)
    return float(stdtrit(max(clusters - 1, 1), (1 + level) / 2))


def p_value(distance: float, side: float, level: float, clusters: int, *, anytime: bool = False) -> float:
    """Return the two-sided p-value of a limit that lies `distance` from the estimate.

    It is derived from the interval, whose end on that side lies `side` from the estimate (Altman & Bland 2011,
    BMJ 343:d2304): the standard error is `side / quantile(level, clusters)`. A limit at the end of the interval has
    p = 1 - level for every quantile; the t distribution matters for the small p-values that many tests require, which
    the normal distribution would underestimate for few clusters. That of an interval that holds at any number of
    clusters is one that does.
    """
    if side == 0:
        return 0.0
    deviations = distance / side * quantile(level, clusters, anytime=anytime)
    if anytime:
        return anytime_p_value(deviations, clusters)
    return float(2 * stdtr(max(clusters - 1, 1), -deviations))


def p_value_of_count(share: float, n: int, limit: float) -> float:
    """Return twice the exact one-sided p-value of a share of `n` independent cases beyond a limit (binomial).

    >>> p_value_of_count(0.04, 50, 0.01)
    0.178...
    """
    count = round(share * n)
    tail = bdtrc(count - 1, n, limit) if share > limit else bdtr(count, n, limit)
    return float(min(1.0, 2 * tail))
