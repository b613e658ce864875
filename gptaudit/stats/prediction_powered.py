"""
The rate of a property that people labelled on some cases, and a fallible scorer on all: prediction-powered inference.

Cases are split by the scorer's verdict, and labels are a random sample within each part, of any two sizes. The rate is

    share rated * P(positive | rated) + share not rated * P(positive | not rated),

which is right on average however much the scorer errs, since labels alone say what is positive. For a binary scorer and
labels drawn from all cases alike, it is the power-tuned estimator of prediction-powered inference (Angelopoulos et al.
2023, Science 382; Angelopoulos, Duchi & Zrnic 2023), except for terms that vanish with many labels. With as many labels
in each part as one likes it is the estimator of double sampling for stratification (Neyman 1938).

The published normal interval has no width where no label is positive, and much too little where few are. Here each
of the three shares has an interval of its own, and the three are combined (`stats.mover`): that of a mean for the share
rated, and Jeffreys' for the two parts, since Wilson's takes a single rare positive too seriously (Brown, Cai & DasGupta
2001). With clusters, Jeffreys' stands on the number of independent labels whose Wilson interval is as wide as the
clustered one. Coverage: `tests/bench/labelled_rates.py`.

The interval is one for all cases that might have been drawn, as everywhere: with every case labelled it still has
width.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gptaudit.stats.intervals import Floats, Interval, clipped, jeffreys, mean_interval
from gptaudit.stats.misclassification import Proportion
from gptaudit.stats.mover import Estimates, zero_of

METHOD = "stratified-mover"

Figure: TypeAlias = tuple[float | None, Interval]
"""A value and its interval; None where the labels do not determine them, with the reason in the interval."""
Names: TypeAlias = Sequence[Any] | NDArray[Any] | None
"""The cluster of each case (cases,); None if each case is one."""


def labelled_rate(
    rated: Sequence[bool], labels: Sequence[bool | None], clusters: Names = None, *, level: float
) -> Figure:
    """Return the rate of positive cases, from the scorer's verdict on each and the labels of some, None of the others.

    Labels must be drawn at random among the rated cases, and at random among those that are not.

    >>> rated = [True] * 20 + [False] * 80
    >>> labels = [True] * 8 + [False] * 2 + [None] * 10 + [False] * 40 + [None] * 40
    >>> labelled_rate(rated, labels, level=0.95)
    (0.16..., Interval(low=0.07..., high=0.26..., method='stratified-mover', why=None))
    """
    parts = _parts(rated, labels, clusters, level)
    if isinstance(parts, Interval):
        return None, parts
    share, among, beside = parts.values.tolist()
    value = share * among + (1 - share) * beside
    below, above = (parts.reach((among - beside, share, 1 - share), side) for side in (-1, 1))
    return value, clipped(value - below, value + above, (0.0, 1.0), METHOD)


def labelled_errors(
    rated: Sequence[bool], labels: Sequence[bool | None], clusters: Names = None, *, level: float
) -> tuple[Figure, Figure]:
    """Return the scorer's sensitivity and specificity on these cases, from the same labels as `labelled_rate`.

    A label counts for as many cases as its part has for each label: of 1,000 cases not rated of which 50 are labelled,
    for 20.
    """
    negated = [not verdict for verdict in rated], [None if label is None else not label for label in labels]
    return (
        _sensitivity(_parts(rated, labels, clusters, level), "positive"),
        _sensitivity(_parts(*negated, clusters, level), "negative"),
    )


def _sensitivity(parts: Estimates | Interval, kind: str) -> Figure:
    """Return which share of the positive cases is rated: `found / (found + missed)`."""
    if isinstance(parts, Interval):
        return None, parts
    share, among, beside = parts.values.tolist()
    found, missed = share * among, (1 - share) * beside
    if found + missed == 0:
        return None, _unknown(f"no labelled case is {kind}")

    def gap(sensitivity: float, side: int) -> float:
        weights = (
            (1 - sensitivity) * among + sensitivity * beside,
            (1 - sensitivity) * share,
            -sensitivity * (1 - share),
        )
        return float((1 - sensitivity) * found - sensitivity * missed) + side * parts.reach(weights, side)

    value = found / (found + missed)
    low, high = (zero_of(partial(gap, side=side)) for side in (-1, 1))
    return value, Interval(min(low, value), max(high, value), METHOD)


def _parts(
    rated: Sequence[bool], labels: Sequence[bool | None], clusters: Names, level: float
) -> Estimates | Interval:
    """Return the share rated, the share positive among the rated and that among the others, or why they are unknown."""
    names = np.arange(len(rated)) if clusters is None else np.asarray(clusters)
    if not len(rated) == len(labels) == len(names):
        msg = f"{len(rated)} verdicts, {len(labels)} labels, {len(names)} clusters; as many of each are expected"
        raise ValueError(msg)
    verdicts = np.asarray(rated, np.bool_)
    known = np.array([label is not None for label in labels], np.bool_)
    positive = np.array([bool(label) for label in labels], np.float64)
    samples = [(verdicts.astype(np.float64), names)]
    intervals = [mean_interval(*samples[0], level=level, seed=0, binary=True)]
    for name, part in (("rated", verdicts), ("not rated", ~verdicts)):
        if not part.any():  # such cases, had any been drawn, might all be positive
            samples.append((np.ones(1), names[:1]))
            intervals.append(Interval(0.0, 1.0, METHOD))
        elif (part & known).any():
            samples.append((positive[part & known], names[part & known]))
            intervals.append(_rare(*samples[-1], level))
        else:
            return _unknown(f"none of the {part.sum()} cases {name} is labelled")
    if intervals[0].low is None:
        return _unknown(str(intervals[0].why))
    return Estimates.of_means(samples, intervals)


def _rare(values: Floats, clusters: NDArray[Any], level: float) -> Interval:
    """Return an interval for a share that may be near 0 or 1; labels of one cluster alone count as one label."""
    share = float(values.mean())
    interval = mean_interval(values, clusters, level=level, seed=0, binary=True)
    n = 1.0 if interval.low is None else Proportion.of_interval(share, interval, level=level).n
    return jeffreys(share * n, n, level)


def _unknown(why: str) -> Interval:
    return Interval(None, None, METHOD, why)
