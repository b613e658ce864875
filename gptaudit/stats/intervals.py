"""
Confidence intervals for means of clustered cases.

Cases of one cluster (one template, one prompt) resemble one another, so the cluster is the sampling unit. Each kind of
data has its own method, chosen by simulation (`tests/bench/interval_coverage.py`):

* `wilson`: binary values, one case per cluster (Wilson 1927);
* `wilson-clustered`: any other values between two bounds. Wilson's interval on the effective number of cases
  `p (1 - p) / v` (Korn & Graubard 1998; Dean & Pagano 2015), where `p` is the position of the mean between the bounds
  (0 to 1) and `v` its cluster-robust variance CR2 (Bell & McCaffrey 2002), with a t quantile. The degrees of freedom
  follow from the kurtosis of the clusters' contributions: a variance dominated by few clusters is poorly estimated.
  Values that concentrate at one bound, as most toxicity scores do, may include rare extreme ones that a small sample
  misses; for those, a fifth of one additional cluster is assumed to lie at the other bound. Where few clusters differ
  from the rest, their variance is hardly known, but a cluster's mean between two bounds varies at most as a coin that
  shows one or the other (Hoeffding 1963). So neither end lies beyond that of the exact interval for as many coins as
  there are clusters (Clopper & Pearson 1934; of unequal ones, `1 / sum(w^2)` by their shares `w` of the cases);
* `cluster-bootstrap-t`: values without bounds. Whole clusters are resampled and the resampled means studentised
  (Efron & Tibshirani 1993, section 12.5), which captures the skewness that t intervals ignore. Each end reaches at
  least as far as that of the t interval with CR2 and the degrees of freedom above;
* `cluster-t`: values without bounds, in 20,000 clusters or more. The mean is then practically normal, and resampling
  adds nothing to a t interval with the cluster-robust standard error (Miller 2024).

Cases may share something across clusters too: each occupation in each of the same templates. Such crossed groups are
a sample as well, and from `FEWEST_CLUSTERS` of them on, the interval is for clusters and groups like these. Its
variance is that of the clusters plus that of the groups, less that of their cells, the cases that share both
(Cameron, Gelbach & Miller 2011; at least the larger of the two), with the methods `wilson-two-way` between two bounds
and `two-way-t` without, which reaches at least as far as the interval over the clusters alone.

If no two clusters differ, the variance estimate of zero carries no information. The share of clusters that may differ
although none of the `G` drawn does is then at most `z^2 / (G + z^2)` (Wilson's upper end for 0 of `G`), and the
interval is as wide as such a share, with values at the bounds of the metric, could move the mean. A constant without
bounds has no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum, isfinite, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = Sequence[str] | NDArray[Any]
"""The cluster or the group of each case."""
Bounds: TypeAlias = tuple[float | None, float | None]

DEFAULT_LEVEL = 0.95
"""Confidence level of intervals where nobody asks for another."""

RESAMPLES = 10_000
MANY_CLUSTERS = 20_000
FEWEST_CLUSTERS = 5
"""With fewer, too many resamples consist of one cluster only, and the bootstrap gives no finite end."""

WILSON = "wilson"
WILSON_CLUSTERED = "wilson-clustered"
UNSEEN = 0.2
"""Additional clusters assumed at the far bound when all drawn clusters concentrate at the near one."""

_BLOCK = 2_000_000
"""Resamples x clusters drawn at once; limits memory to about 50 MB."""
_ROUNDING = 1e-12
"""Differences below this, relative to the scale of the values, count as rounding."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval and the method that computed it; if both ends are None, `why` gives the reason."""

    low: float | None
    high: float | None
    method: str
    why: str | None = None


def mean_interval(
    values: Sequence[float] | Floats,
    clusters: Labels,
    *,
    level: float,
    seed: int,
    binary: bool = False,
    bounds: Bounds = (None, None),
    crossed: Labels = (),
) -> Interval:
    """Return an interval for the mean of `values`, where `clusters[i]` is the cluster of `values[i]`.

    `crossed[i]` is its crossed group, if there are such. Uses no global random state: the same data and seed give the
    same interval.

        >>> mean_interval([0, 0, 1, 1], ["a", "b", "c", "d"], level=0.95, seed=0, binary=True)
        Interval(low=0.150..., high=0.849..., method='wilson', why=None)
    """
    sample = _Sample.of(values, clusters)
    if sample.groups < 2:
        why = (
            "all cases belong to one cluster, which shows no spread" if len(values) else "no case was scored"
        )
        return Interval(None, None, "none", why)
    least, greatest = (0.0, 1.0) if binary else bounds
    if len(crossed) and crossed_groups(crossed):
        bounds = least, greatest
        unseen = 0.0 if binary else UNSEEN
        return _two_way_mean(values, clusters, crossed, level, bounds, seed=seed, unseen=unseen)
    if binary and sample.groups == len(values):
        return wilson(fsum(values), len(values), level)
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
    crossed: Sequence[str] = (),
) -> Interval:
    """Return an interval for the mean of `candidate[i] - baseline[i]`, two measurements of the same case."""
    differences = [a - b for a, b in zip(candidate, baseline, strict=True)]
    sample = _Sample.of(differences, clusters)
    if binary and sample.groups >= 2:
        bounds = -1.0, 1.0
        if crossed_groups(crossed):
            return _two_way_mean(differences, clusters, crossed, level, bounds, seed=seed, unseen=0.0)
        return _wilson_clustered(sample, level, *bounds, unseen=0.0)
    if differences and not any(differences):
        return UNCHANGED
    return mean_interval(differences, clusters, level=level, seed=seed, crossed=crossed)


def crossed_groups(crossed: Labels) -> int:
    """Return the number of crossed groups that an interval allows for; 0 if they are too few to be a sample."""
    found = len(np.unique(np.asarray(crossed)))
    return found if found >= FEWEST_CLUSTERS else 0


def cells(clusters: Labels, crossed: Labels) -> NDArray[np.int64]:
    """Return the number of each case's cell: cases of one cluster and one crossed group share it, (cases,)."""
    rows, columns = (np.unique(np.asarray(labels), return_inverse=True)[1] for labels in (clusters, crossed))
    found: NDArray[np.int64] = rows * (int(columns.max(initial=0)) + 1) + columns
    return found


UNCHANGED = Interval(0.0, 0.0, "unchanged")
"""Interval of a difference if every case has the same value in both measurements."""


def wilson(successes: float, n: float, level: float) -> Interval:
    """Return Wilson's score interval for `successes` among `n > 0` independent cases."""
    low, high = _score_interval(successes / n, n, _z(level))
    return Interval(low, high, WILSON)


def jeffreys(successes: float, n: float, level: float) -> Interval:
    """Return Jeffreys' interval for `successes` among `n > 0` independent cases, for shares near 0 or 1.

    With no success its upper end is the exact one, and likewise the lower end without a failure (Brown, Cai & DasGupta
    2001, section 4.1.2). Of one success, Wilson's interval excludes shares that often give one.

    >>> jeffreys(1, 50, 0.95)
    Interval(low=0.0022..., high=0.089..., method='jeffreys', why=None)
    """
    tail, share = (1 - level) / 2, successes / n
    a, b = successes + 0.5, max(n - successes, 0.0) + 0.5
    if share <= 0:
        return Interval(0.0, 1 - tail ** (1 / n), "jeffreys")
    if share >= 1:
        return Interval(tail ** (1 / n), 1.0, "jeffreys")
    low, high = float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))
    return Interval(min(low, share), max(high, share), "jeffreys")


@dataclass(frozen=True, slots=True)
class _Sample:
    """Sum of the values and number of cases of each cluster, both (groups,)."""

    totals: Floats
    sizes: Floats
    mean: float
    largest: float
    """Largest absolute value, the scale for rounding."""

    @classmethod
    def of(cls, values: Sequence[float] | Floats, clusters: Labels) -> _Sample:
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
        """Sum of each cluster's deviations from the mean, (groups,)."""
        return self.totals - self.mean * self.sizes

    @property
    def shifts(self) -> Floats:
        """Each cluster's contribution to the error of the mean, enlarged by its share of the cases (CR2), (groups,)."""
        cases = float(self.sizes.sum())
        shifts: Floats = self.residuals / (cases * np.sqrt(1 - self.sizes / cases))
        return shifts

    @property
    def coins(self) -> float:
        """Number of coins whose mean varies as much as the clusters' may: fewer if some hold most cases."""
        return float(self.sizes.sum()) ** 2 / float((self.sizes**2).sum())

    def constant(self, scale: float) -> bool:
        """Return whether no cluster's mean differs from the overall mean by more than rounding at that scale."""
        return bool((np.abs(self.residuals) <= _ROUNDING * scale * self.sizes).all())


def _wilson_clustered(
    sample: _Sample, level: float, least: float, greatest: float, *, unseen: float
) -> Interval:
    """Return Wilson's interval on the effective number of cases, with `unseen` additional clusters at the far bound."""
    bounds = least, greatest
    if sample.constant(greatest - least):
        return agreed(sample.mean, sample.groups, level, bounds, WILSON_CLUSTERED)
    spread = Spread.of(sample.shifts)
    hidden = unseen * hidden_variance(sample.mean, spread.variance, sample.groups, bounds)
    found = effective(sample.mean, spread, level, bounds, hidden=hidden)
    return _within(found, _of_coins(sample.mean, sample.coins, level, bounds))


def _two_way_mean(
    values: Sequence[float] | Floats,
    clusters: Labels,
    crossed: Labels,
    level: float,
    bounds: Bounds,
    *,
    seed: int,
    unseen: float,
) -> Interval:
    """Return the interval of a mean over clusters and the groups that cross them."""
    sample, groups, cell = (_Sample.of(values, by) for by in (clusters, crossed, cells(clusters, crossed)))
    spread = two_way(sample.shifts, groups.shifts, cell.shifts)
    fewest = min(sample.groups, groups.groups)
    found = two_way_interval(sample.mean, spread, fewest, level, bounds, unseen=unseen)
    least, greatest = bounds
    if least is None or greatest is None:
        return wider(found, _bootstrap_t(sample, level, seed, bounds))
    coins = min(sample.coins, groups.coins)
    return _within(found, _of_coins(sample.mean, coins, level, (least, greatest)))


def two_way_interval(
    value: float, spread: Spread, groups: int, level: float, bounds: Bounds, *, unseen: float = 0.0
) -> Interval:
    """Return an interval from a two-way variance; `groups` is the smaller of the numbers of clusters and groups."""
    least, greatest = bounds
    method = "two-way-t" if least is None or greatest is None else "wilson-two-way"
    if spread.variance <= (_ROUNDING * max(1.0, abs(value))) ** 2:
        return agreed(value, groups, level, bounds, method)
    if least is None or greatest is None:
        half = spread.quantile(level) * sqrt(spread.variance)
        return clipped(value - half, value + half, bounds, method)
    hidden = unseen * hidden_variance(value, spread.variance, groups, (least, greatest))
    return replace(effective(value, spread, level, (least, greatest), hidden=hidden), method=method)


def wider(found: Interval, other: Interval) -> Interval:
    """Return an interval that reaches at least as far as another one on either side, if both have ends."""
    if found.low is None or found.high is None or other.low is None or other.high is None:
        return found
    return replace(found, low=min(found.low, other.low), high=max(found.high, other.high))


def hidden_variance(value: float, variance: float, groups: int, bounds: tuple[float, float]) -> float:
    """Return the variance that one more cluster at the far bound would add, where the drawn ones crowd at the near."""
    near, far = sorted((value - bounds[0], bounds[1] - value))
    crowding = min(1.0, groups * variance / max(near, _ROUNDING) ** 2)
    return crowding * (far / groups) ** 2


def _within(found: Interval, ends: tuple[float, float]) -> Interval:
    """Return an interval that reaches no farther than `ends`."""
    low, high = ends
    return replace(found, low=max(found.low or low, low), high=min(found.high or high, high))


def _of_coins(mean: float, coins: float, level: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """Return the exact interval of the mean if every cluster were a coin that shows one bound or the other."""
    least, reach = bounds[0], bounds[1] - bounds[0]
    heads = min(max((mean - least) / reach, 0.0), 1.0) * coins
    tails, tail = coins - heads, (1 - level) / 2
    low = float(betaincinv(heads, tails + 1, tail)) if heads > 0 else 0.0
    high = float(betaincinv(heads + 1, tails, 1 - tail)) if tails > 0 else 1.0
    return min(least + low * reach, mean), max(least + high * reach, mean)


def effective(
    value: float, spread: Spread, level: float, bounds: tuple[float, float], *, hidden: float = 0.0
) -> Interval:
    """Return Wilson's interval for a value between two bounds, on the effective number of cases.

    `hidden` is the variance assumed for clusters that were not drawn.
    """
    least, reach = bounds[0], bounds[1] - bounds[0]
    share = min(max((value - least) / reach, _ROUNDING), 1 - _ROUNDING)
    variance = (spread.variance + hidden) / reach**2
    low, high = _score_interval(share, share * (1 - share) / variance, spread.quantile(level))
    return Interval(min(least + low * reach, value), max(least + high * reach, value), WILSON_CLUSTERED)


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of an estimate, and the degrees of freedom with which it is known."""

    variance: float
    freedom: float

    @classmethod
    def of(cls, shifts: Floats) -> Spread:
        """Return it from each cluster's contribution to the estimate's error, (groups,).

        The degrees of freedom follow from `Var(v) / v^2 = 2 / (G - 1) + excess kurtosis / G`, set equal to the `2 / df`
        of a normal sample: a variance dominated by few clusters, large ones or the only ones with an event, is poorly
        estimated. The excess kurtosis is corrected for its small-sample bias (Joanes & Gill 1998), which takes at least
        four clusters.
        """
        groups, variance = len(shifts), float((shifts**2).sum())
        if variance == 0:
            return cls(0.0, groups - 1)
        excess = groups * float((shifts**4).sum()) / variance**2 - 3
        if groups > 3:
            excess = (groups - 1) / ((groups - 2) * (groups - 3)) * ((groups + 1) * excess + 6)
        return cls(variance, 2 / (2 / (groups - 1) + max(excess, 0.0) / groups))

    def quantile(self, level: float) -> float:
        """Return the two-sided t quantile."""
        return float(stdtrit(self.freedom, (1 + level) / 2))


def two_way(clusters: Floats, crossed: Floats, cell: Floats) -> Spread:
    """Return the variance over clusters and crossed groups, from the shifts of each and those of their cells.

    The degrees of freedom are those of a sum of the two variances (Satterthwaite 1946).
    """
    one, other = Spread.of(clusters), Spread.of(crossed)
    total = one.variance + other.variance
    if total == 0:
        return one
    freedom = total**2 / (one.variance**2 / one.freedom + other.variance**2 / other.freedom)
    return Spread(max(total - float((cell**2).sum()), one.variance, other.variance), freedom)


def _bootstrap_t(sample: _Sample, level: float, seed: int, bounds: Bounds) -> Interval:
    method = "cluster-bootstrap-t"
    if sample.groups < FEWEST_CLUSTERS:
        why = f"{sample.groups} clusters are too few for an interval; at least {FEWEST_CLUSTERS} are needed"
        return Interval(None, None, method, why)
    if sample.constant(sample.largest):
        return agreed(sample.mean, sample.groups, level, bounds, method)
    error = sqrt(float((sample.residuals**2).sum())) / float(sample.sizes.sum())
    if sample.groups >= MANY_CLUSTERS:
        half = _z(level) * error  # t is practically normal with so many clusters
        return clipped(sample.mean - half, sample.mean + half, bounds, "cluster-t")
    pivots = _pivots(sample, error, np.random.default_rng(seed))
    tail = (1 - level) / 2
    upper, lower = (float(end) for end in np.quantile(pivots, [tail, 1 - tail], method="inverted_cdf"))
    spread = Spread.of(sample.shifts)
    half = spread.quantile(level) * sqrt(spread.variance)
    low = sample.mean - max(lower * error, half)
    high = sample.mean + max(-upper * error, half)
    if not isfinite(low) or not isfinite(high):
        return Interval(None, None, method, "too few clusters differ from the others to bound the mean")
    return clipped(low, high, bounds, method)


def clipped(low: float, high: float, bounds: Bounds, method: str) -> Interval:
    """Return the interval from `low` to `high`, cut off at the bounds."""
    least, greatest = bounds
    low = low if least is None else max(low, least)
    high = high if greatest is None else min(high, greatest)
    return Interval(low, high, method)


def _pivots(sample: _Sample, error: float, generator: np.random.Generator) -> Floats:
    """Return (resampled mean - mean) / its own standard error, of shape (RESAMPLES,).

    A value is infinite if the clusters drawn do not differ from one another but their mean differs from `mean`.
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
    """Return the interval of a value on which all `groups` drawn clusters agree: how far others could move it."""
    least, greatest = bounds
    if least is None or greatest is None:
        why = "all clusters agree; for a metric without bounds, this gives no interval"
        return Interval(None, None, method, why)
    _, share = _score_interval(0.0, groups, _z(level))
    return Interval(value - share * (value - least), value + share * (greatest - value), method)


def _score_interval(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Solve `|share - p| = quantile * sqrt(p (1 - p) / n)` for p; the ends include `share` despite rounding."""
    q = quantile**2 / n
    centre = (share + q / 2) / (1 + q)
    half = sqrt(q * share * (1 - share) + q * q / 4) / (1 + q)
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def _z(level: float) -> float:
    return float(ndtri((1 + level) / 2))
