"""
Partial pooling of the figures of many groups (Gelman et al. 2013, Bayesian Data Analysis, section 5.4).

The largest of many noisy figures is as likely the luckiest as the largest. If the groups' true figures are drawn from a
normal distribution, each is best estimated by a mean of its own figure and that of all groups, weighed by how precisely
each is known. The spread between groups is unknown too, so estimates are averaged over what the figures say of it
(uniform prior; equation 5.21), which keeps intervals honest where the groups hardly differ.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from gptaudit.stats.intervals import Floats

FEWEST_GROUPS = 5
"""With fewer, the figures say too little of the spread between groups."""
_SPREADS = 200
"""Spreads between groups that estimates are averaged over."""
_STEPS = 60
"""Halvings of the range in which an end of an interval lies."""


def partially_pooled(
    figures: Sequence[float], errors: Sequence[float], *, level: float
) -> list[tuple[float, float, float]]:
    """Return estimate, low and high of each group, from its figure and standard error (above 0).

    Raises `ValueError` for fewer than five groups.

    >>> partially_pooled([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18], level=0.95)[0]
    (11.3..., -2.1..., 31.5...)
    """
    y, variances = np.asarray(figures, np.float64), np.asarray(errors, np.float64) ** 2
    if len(y) < FEWEST_GROUPS:
        msg = f"{len(y)} groups; at least {FEWEST_GROUPS} are needed"
        raise ValueError(msg)
    spreads, weights = _spreads(y, variances)
    means, deviations = _given_spread(y, variances, spreads)
    values = weights @ means
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = (_quantile(tail, means, deviations, weights) for tail in tails)
    return list(zip(values.tolist(), low.tolist(), high.tolist(), strict=True))


def _spreads(y: Floats, variances: Floats) -> tuple[Floats, Floats]:
    """Return spreads between groups and how probable each is, both (spreads,)."""
    most = 5 * max(float(y.std()), float(np.sqrt(variances).min()))
    spreads = (np.arange(_SPREADS) + 0.5) / _SPREADS * most
    total = variances + spreads[:, None] ** 2
    precision = (1 / total).sum(axis=1)
    centre = (y / total).sum(axis=1) / precision
    logs: Floats = -np.log(precision) / 2 - np.log(total).sum(axis=1) / 2
    logs -= ((y - centre[:, None]) ** 2 / total).sum(axis=1) / 2
    weights: Floats = np.exp(logs - logs.max())
    return spreads, weights / weights.sum()


def _given_spread(y: Floats, variances: Floats, spreads: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each group's true figure, given the spread, both (spreads, groups)."""
    total = variances + spreads[:, None] ** 2
    precision = (1 / total).sum(axis=1, keepdims=True)
    centre = (y / total).sum(axis=1, keepdims=True) / precision
    borrowed = variances / total
    means = borrowed * centre + (1 - borrowed) * y
    return means, np.sqrt((1 - borrowed) * variances + borrowed**2 / precision)


def _quantile(tail: float, means: Floats, deviations: Floats, weights: Floats) -> Floats:
    """Return the quantile of each group's mixture of normal distributions, (groups,), by bisection."""
    low: Floats = (means - 10 * deviations).min(axis=0)
    high: Floats = (means + 10 * deviations).max(axis=0)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        below = weights @ ndtr((middle - means) / deviations) < tail
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low
