"""Means over the items of a suite, with intervals over clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gptaudit.attribution.suites.explanation import Estimated
from gptaudit.attribution.suites.items import Item
from gptaudit.stats.formula import parsed
from gptaudit.stats.intervals import DEFAULT_LEVEL, Floats, Interval, mean_interval
from gptaudit.stats.totals import Totals, figure_interval

LEVEL = DEFAULT_LEVEL
ROUNDING = 1e-6
"""Differences below this share of the largest one are rounding."""


def mean_of(
    values: Sequence[float] | Floats, items: Sequence[Item], seed: int, *, level: float = LEVEL
) -> Estimated:
    """Return the mean of a value of each item, with an interval for clusters, and templates, like these."""
    clusters = [item.case.cluster for item in items]
    interval = mean_interval(values, clusters, level=level, seed=seed, crossed=_crossed(items))
    return _estimated(float(np.mean(values)), interval, clusters)


def share_removed(before: Floats, after: Floats, items: Sequence[Item], seed: int) -> Estimated | None:
    """Return `1 - after / before` of two means over the same items; None where it is not defined.

    Where the same share of every item is gone, as none or all of it, that is the interval too.
    """
    if not before.sum():
        return None
    share = 1 - float(after.sum() / before.sum())
    clusters = [item.case.cluster for item in items]
    if np.allclose(after, (1 - share) * before, rtol=0, atol=ROUNDING * float(np.abs(before).max())):
        return _estimated(share, Interval(share, share, "unchanged"), clusters)
    totals = Totals.of(
        {"before": before, "after": after}, np.asarray(clusters), macro=False, crossed=_crossed(items)
    )
    interval = figure_interval(totals, parsed("1 - after / before"), level=LEVEL, seed=seed)
    return _estimated(share, interval, clusters)


def _estimated(value: float, interval: Interval, clusters: Sequence[str]) -> Estimated:
    return Estimated(value, interval.low, interval.high, len(clusters), len(set(clusters)))


def _crossed(items: Sequence[Item]) -> list[str]:
    crossed = [item.case.crossed for item in items]
    return crossed if all(crossed) else []
