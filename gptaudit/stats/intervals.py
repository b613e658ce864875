"""
Intervals for means of clustered cases.

Cases of one cluster (one template, one prompt) are alike, so the cluster is the unit that is sampled. There is one
method for each kind of data, chosen by simulation (`tests/bench/interval_coverage.py`):

* `wilson`: binary values, one case per cluster (Wilson 1927);
* `wilson-clustered`: any other values between two bounds. Wilson's interval on the effective number of cases
  `p (1 - p) / v` (Korn & Graubard 1998; Dean & Pagano 2015), where `p` is the mean's place between the bounds and `v`
  its cluster-robust variance CR2 (Bell & McCaffrey 2002), with a t quantile. Its degrees of freedom follow from the
  kurtosis of what each cluster contributes: a variance that few clusters dominate is known badly. Values that crowd
  at one bound, as most scores of toxicity do, may hide a rare high part that so few clusters cannot show; for those,
  a fifth of one further cluster is taken to lie at the other bound;
* `cluster-bootstrap-t`: values without bounds. Whole clusters are resampled and the resampled means studentised
  (Efron & Tibshirani 1993, section 12.5), which follows the skewness that t intervals ignore. Each end reaches at
  least as far as that of the t interval with CR2 and the degrees of freedom above;
* `cluster-t`: values without bounds of 20,000 clusters or more, where the means are as good as normal and resampling
  would show no more than a t interval with the cluster-robust standard error (Miller 2024).

Where no two clusters differ, a variance of zero says nothing. Then at most a share `z^2 / (G + z^2)` of all
clusters can be different without one among `G` having shown it (Wilson's upper end for 0 of `G`), and the
interval reaches to where such a share, at the bounds of the metric, would move the mean. A constant without
bounds has no interval.
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

WILSON_CLUSTERED = "wilson-clustered"
UNSEEN = 0.2
"""Clusters that may lie at the far bound where all that were drawn crowd at the near one."""

_BLOCK = 2_000_000
"""Resamples x clusters drawn at once; bounds the memory to some 50 MB."""
_ROUNDING = 1e-12
"""Relative to the scale of the values: differences below it are rounding."""


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
    if binary and sample.groups == len(values):
        return wilson(fsum(values), len(values), level)
    least, greatest = (0.0, 1.0) if binary else bounds
    if least is None or greatest is None:
        return _bootstrap_t(sample, level, seed, bounds)
    return _wilson_clustered(sample, level, least, greatest, unseen=0.0 if binary else UNSEEN)


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
        return _wilson_clustered(sample, level, -1.0, 1.0, unseen=0.0)
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
    def shifts(self) -> Floats:
        """What each cluster contributes to the error of the mean, made larger for its share in the mean (CR2)."""
        cases = float(self.sizes.sum())
        shifts: Floats = self.residuals / (cases * np.sqrt(1 - self.sizes / cases))
        return shifts

    def constant(self, scale: float) -> bool:
        """Whether no cluster's mean differs from the whole mean by more than rounding of numbers of that scale."""
        return bool((np.abs(self.residuals) <= _ROUNDING * scale * self.sizes).all())


def _wilson_clustered(
    sample: _Sample, level: float, least: float, greatest: float, *, unseen: float
) -> Interval:
    """Return Wilson's interval on the effective number of cases; `unseen` clusters more may lie at the far bound."""
    bounds = least, greatest
    if sample.constant(greatest - least):
        return agreed(sample.mean, sample.groups, level, bounds, WILSON_CLUSTERED)
    shifts = sample.shifts
    near, far = sorted((sample.mean - least, greatest - sample.mean))
    crowding = min(1.0, sample.groups * float((shifts**2).sum()) / max(near, _ROUNDING) ** 2)
    hidden = unseen * crowding * (far / sample.groups) ** 2
    return effective(sample.mean, shifts, level, bounds, hidden=hidden)


def effective(
    value: float, shifts: Floats, level: float, bounds: tuple[float, float], *, hidden: float = 0.0
) -> Interval:
    """Return Wilson's interval for a value between two bounds, on as many cases as its variance is worth.

    The variance is the sum of the squared `shifts` (groups,), what each cluster contributes to the value's error, and
    of what is `hidden`.
    """
    least, reach = bounds[0], bounds[1] - bounds[0]
    share = min(max((value - least) / reach, _ROUNDING), 1 - _ROUNDING)
    variance = (float((shifts**2).sum()) + hidden) / reach**2
    low, high = _score_interval(share, share * (1 - share) / variance, _t_quantile(shifts, level))
    return Interval(min(least + low * reach, value), max(least + high * reach, value), WILSON_CLUSTERED)


def _t_quantile(shifts: Floats, level: float) -> float:
    """Return the t quantile for a variance that was estimated from `shifts` (groups,).

    Its degrees of freedom follow from `Var(v) / v^2 = 2 / (G - 1) + excess kurtosis / G`, set equal to the `2 / df` of
    a normal sample: a variance that a few clusters dominate, large ones or the only ones with an event, is known
    badly. The excess is corrected for its bias in small samples (Joanes & Gill 1998), for which four clusters are the
    fewest.
    """
    groups = len(shifts)
    excess = groups * float((shifts**4).sum()) / float((shifts**2).sum()) ** 2 - 3
    if groups > 3:
        excess = (groups - 1) / ((groups - 2) * (groups - 3)) * ((groups + 1) * excess + 6)
    freedom = 2 / (2 / (groups - 1) + max(excess, 0.0) / groups)
    return float(stdtrit(freedom, (1 + level) / 2))


def _bootstrap_t(sample: _Sample, level: float, seed: int, bounds: Bounds) -> Interval:
    method = "cluster-bootstrap-t"
    if sample.groups < FEWEST_CLUSTERS:
        why = f"{sample.groups} clusters are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        return Interval(None, None, method, why)
    if sample.constant(sample.largest):
        return agreed(sample.mean, sample.groups, level, bounds, method)
    error = sqrt(float((sample.residuals**2).sum())) / float(sample.sizes.sum())
    if sample.groups >= MANY_CLUSTERS:
        half = _z(level) * error  # of so many clusters, t is normal
        return clipped(sample.mean - half, sample.mean + half, bounds, "cluster-t")
    pivots = _pivots(sample, error, np.random.default_rng(seed))
    tail = (1 - level) / 2
    upper, lower = (float(end) for end in np.quantile(pivots, [tail, 1 - tail], method="inverted_cdf"))
    half = _t_quantile(sample.shifts, level) * float(np.linalg.norm(sample.shifts))
    low = sample.mean - max(lower * error, half)
    high = sample.mean + max(-upper * error, half)
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


def agreed(value: float, groups: int, level: float, bounds: Bounds, method: str) -> Interval:
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
