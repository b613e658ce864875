"""
Intervals for means of clustered cases.

Cases of one cluster (one template, one prompt) are alike, so the cluster is the unit that is sampled. Which
method serves which data was chosen by simulation (`tests/bench/interval_coverage.py`):

* `wilson`: binary values, one case per cluster (Wilson 1927);
* `wilson-clustered`: binary values, several cases per cluster. Wilson's interval on the effective number of
  cases `p (1 - p) / v` (Korn & Graubard 1998), where `v` is the jackknife variance over clusters, with a t
  quantile;
* `cluster-bootstrap-t`: any other values. Whole clusters are resampled and the resampled means studentised
  (Efron & Tibshirani 1993, section 12.5), which follows the skewness that t intervals ignore. Where so few
  clusters differ that the bootstrap runs beyond the values' bounds, `wilson-clustered` takes its place: between
  its bounds no variable varies more than a binary one of the same mean.
* `cluster-t`: any other values of 20,000 clusters or more, where the means are as good as normal and resampling
  would show no more than a t interval with the cluster-robust standard error (Miller 2024).

Where no two clusters differ, a variance of zero says nothing. Then at most a share `z^2 / (G + z^2)` of all
clusters can be different without one among `G` having shown it (Wilson's upper end for 0 of `G`), and the
interval reaches to where such a share, at the bounds of the metric, would move the mean. A constant without
bounds has no interval.

A skewed value whose rare high part no cluster has shown cannot be covered by any of these: 20 prompts do not
tell about a completion that one prompt in 40 provokes, unless the metric is binary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Floats: TypeAlias = NDArray[np.float64]
Bounds: TypeAlias = tuple[float | None, float | None]

RESAMPLES = 10_000
MANY_CLUSTERS = 20_000
FEWEST_CLUSTERS = 5
"""With fewer, too many resamples consist of one cluster only, and the bootstrap has no upper end."""

_BLOCK = 2_000_000
"""Resamples x clusters drawn at once; bounds the memory to some 50 MB."""
_ROUNDING = 1e-12
"""Relative to the values: differences below it are rounding."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval and the method that made it; both ends are None only with a `why`."""

    low: float | None
    high: float | None
    method: str
    why: str | None = None


def mean_interval(
    values: Sequence[float] | Floats,
    clusters: Sequence[str] | NDArray[np.int64],
    *,
    level: float,
    seed: int,
    binary: bool = False,
    bounds: Bounds = (None, None),
) -> Interval:
    """Return an interval for the mean of `values`, where `clusters[i]` is the cluster of `values[i]`.

    Reads no global random state: the same data and seed give the same interval.

        >>> mean_interval([0, 0, 1, 1], ["a", "b", "c", "d"], level=0.95, seed=0, binary=True)
        Interval(low=0.150..., high=0.849..., method='wilson', why=None)
    """
    sample = _Sample.of(values, clusters)
    if sample.groups < 2:
        why = (
            "all cases belong to one cluster, which shows no spread" if len(values) else "no case was scored"
        )
        return Interval(None, None, "none", why)
    if not binary:
        return _bootstrap_t(sample, level, seed, bounds)
    if sample.groups == len(values):
        return wilson(fsum(values), len(values), level)
    return _wilson_clustered(sample, level, 0.0, 1.0)


def difference_interval(
    candidate: Sequence[float],
    baseline: Sequence[float],
    clusters: Sequence[str],
    *,
    level: float,
    seed: int,
    binary: bool = False,
) -> Interval:
    """Return an interval for the mean of `candidate[i] - baseline[i]`, two measurements of the same case."""
    differences = [a - b for a, b in zip(candidate, baseline, strict=True)]
    sample = _Sample.of(differences, clusters)
    if binary and sample.groups >= 2:
        return _wilson_clustered(sample, level, -1.0, 1.0)
    if differences and not any(differences):
        return UNCHANGED
    return mean_interval(differences, clusters, level=level, seed=seed)


UNCHANGED = Interval(0.0, 0.0, "unchanged")
"""Of a difference where every case has the very same value twice."""


def wilson(successes: float, n: float, level: float) -> Interval:
    """Return Wilson's score interval for `successes` among `n > 0` independent cases."""
    low, high = _score_interval(successes / n, n, _z(level))
    return Interval(low, high, "wilson")


@dataclass(frozen=True, slots=True)
class _Sample:
    """Totals and sizes of `groups` clusters, each of shape (groups,)."""

    totals: Floats
    sizes: Floats
    mean: float
    largest: float
    """The largest absolute value, against which rounding is judged."""

    @classmethod
    def of(cls, values: Sequence[float] | Floats, clusters: Sequence[str] | NDArray[np.int64]) -> _Sample:
        if len(values) != len(clusters):
            msg = f"{len(values)} values but {len(clusters)} clusters"
            raise ValueError(msg)
        x = np.asarray(values, dtype=np.float64)
        names, index = np.unique(np.asarray(clusters), return_inverse=True)
        totals = np.bincount(index, weights=x, minlength=len(names)).astype(np.float64)
        sizes = np.bincount(index, minlength=len(names)).astype(np.float64)
        mean = fsum(values) / len(values) if len(values) else 0.0
        return cls(totals, sizes, mean, float(np.abs(x).max(initial=0.0)))

    @property
    def groups(self) -> int:
        return len(self.sizes)

    @property
    def residuals(self) -> Floats:
        """What each cluster adds to the sum beyond its share of the mean."""
        return self.totals - self.mean * self.sizes

    @property
    def constant(self) -> bool:
        """Whether no cluster's mean differs from the whole mean."""
        return bool((np.abs(self.residuals) <= _ROUNDING * self.largest * self.sizes).all())


def _wilson_clustered(sample: _Sample, level: float, least: float, greatest: float) -> Interval:
    method = "wilson-clustered"
    if sample.constant:
        return unseen(sample.mean, sample.groups, level, (least, greatest), method)
    left_out = sample.residuals / (sample.sizes.sum() - sample.sizes)  # mean - mean without the cluster
    variance = (1 - 1 / sample.groups) * float((left_out**2).sum()) / (greatest - least) ** 2
    share = (sample.mean - least) / (greatest - least)
    quantile = float(stdtrit(_degrees_of_freedom(left_out), (1 + level) / 2))
    low, high = _score_interval(share, share * (1 - share) / variance, quantile)
    return Interval(least + low * (greatest - least), least + high * (greatest - least), method)


def _degrees_of_freedom(deviations: Floats) -> float:
    """Return what a variance estimated from `deviations` (groups,) is worth.

    From `Var(v) / v^2 = 2 / (G - 1) + excess kurtosis / G`, set equal to the `2 / df` of a normal sample: a
    variance that a few clusters dominate, large ones or the only ones with an event, is known badly.
    """
    groups = len(deviations)
    kurtosis = groups * float((deviations**4).sum()) / float((deviations**2).sum()) ** 2
    return 2 / (2 / (groups - 1) + max(kurtosis - 3, 0.0) / groups)


def _bootstrap_t(sample: _Sample, level: float, seed: int, bounds: Bounds) -> Interval:
    method = "cluster-bootstrap-t"
    if sample.groups < FEWEST_CLUSTERS:
        why = f"{sample.groups} clusters are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        return Interval(None, None, method, why)
    if sample.constant:
        return unseen(sample.mean, sample.groups, level, bounds, method)
    error = sqrt(float((sample.residuals**2).sum())) / float(sample.sizes.sum())
    if sample.groups >= MANY_CLUSTERS:
        half = _z(level) * error  # of so many clusters, t is normal
        return clipped(sample.mean - half, sample.mean + half, bounds, "cluster-t")
    pivots = _pivots(sample, error, np.random.default_rng(seed))
    tail = (1 - level) / 2
    upper, lower = (float(end) for end in np.quantile(pivots, [tail, 1 - tail], method="inverted_cdf"))
    low, high = sample.mean - max(lower, 0.0) * error, sample.mean - min(upper, 0.0) * error
    least, greatest = bounds
    within = (least is None or low > least) and (greatest is None or high < greatest)
    if not within and least is not None and greatest is not None:
        return _wilson_clustered(sample, level, least, greatest)
    if not isfinite(low) or not isfinite(high):
        return Interval(None, None, method, "too few clusters differ from the others to bound the mean")
    return clipped(low, high, bounds, method)


def clipped(low: float, high: float, bounds: Bounds, method: str) -> Interval:
    """Return an interval that stays within the bounds."""
    least, greatest = bounds
    low = low if least is None else max(low, least)
    high = high if greatest is None else min(high, greatest)
    return Interval(low, high, method)


def _pivots(sample: _Sample, error: float, generator: np.random.Generator) -> Floats:
    """Return (resampled mean - mean) / its own standard error, of shape (RESAMPLES,).

    It is infinite where the clusters drawn do not differ from one another but their mean differs from `mean`.
    """
    e, m = sample.residuals, sample.sizes
    moments = np.stack([e, m, e * e, e * m, m * m], axis=1)
    block = max(1, _BLOCK // sample.groups)
    counts = (min(block, RESAMPLES - start) for start in range(0, RESAMPLES, block))
    drawn = np.concatenate([_draw(sample.groups, count, generator) @ moments for count in counts])
    shift = drawn[:, 0] / drawn[:, 1]
    squares = drawn[:, 2] - 2 * shift * drawn[:, 3] + shift**2 * drawn[:, 4]
    errors = np.sqrt(np.maximum(squares, 0.0)) / drawn[:, 1]
    errors[errors <= 1e-6 * error] = 0.0  # the difference of squares above cancels to about 1e-8
    shift[np.abs(shift) <= 1e-6 * error] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shift == 0.0, 0.0, shift / errors)


def _draw(groups: int, count: int, generator: np.random.Generator) -> Floats:
    """Return how often each cluster occurs in each resample, of shape (count, groups)."""
    picked = generator.integers(groups, size=(count, groups)) + groups * np.arange(count)[:, None]
    times = np.bincount(picked.ravel(), minlength=count * groups)
    return times.reshape(count, groups).astype(np.float64)


def unseen(value: float, groups: int, level: float, bounds: Bounds, method: str) -> Interval:
    """Return how far clusters that were not drawn could move a value on which all `groups` that were drawn agree."""
    least, greatest = bounds
    if least is None or greatest is None:
        return Interval(
            None, None, method, "all clusters agree, and a metric without bounds could be anything else"
        )
    _, share = _score_interval(0.0, groups, _z(level))
    return Interval(value - share * (value - least), value + share * (greatest - value), method)


def _score_interval(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Solve `|share - p| = quantile * sqrt(p (1 - p) / n)` for p; despite rounding, the ends enclose `share`."""
    q = quantile**2 / n
    centre = (share + q / 2) / (1 + q)
    half = sqrt(q * share * (1 - share) + q * q / 4) / (1 + q)
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def _z(level: float) -> float:
    return float(ndtri((1 + level) / 2))
