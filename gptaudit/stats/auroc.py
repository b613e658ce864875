"""
The area under the ROC curve: the chance that a positive case scores above a negative one, ties by half.

Where there are strata (templates, blocks), only cases of the same one are compared, so that what a stratum does to all
its scores cancels out. The area is the share over all such comparisons. Its interval is one of

* `wilson-clustered`: the interval of a bounded figure, with the jackknife's shifts of the area over clusters. The
  jackknife of an area is DeLong's variance (1988; Obuchowski 1997 for clusters), up to terms of order 1 / clusters;
* `wilson-two-way`, where the cases are in crossed groups too: see `gptaudit.stats.intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from gptaudit.stats.intervals import (
    FEWEST_CLUSTERS,
    Bounds,
    Floats,
    Interval,
    Labels,
    agreed,
    cells,
    crossed_groups,
)
from gptaudit.stats.totals import interval_of_shifts, pseudo_values, too_few

METHOD = "wilson-clustered"
BOUNDS: Bounds = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Auroc:
    """An area with the contributions to its error: those of each cluster and, where groups cross them, of all three."""

    value: float
    """NaN if no stratum has a positive and a negative case."""
    shifts: Floats
    """Contribution of each cluster that takes part, (clusters,)."""
    crossed: tuple[Floats, Floats] | None = None
    """The same of the crossed groups, and of the cells of both; None without such."""

    @classmethod
    def of(
        cls,
        scores: Sequence[float] | Floats,
        positive: NDArray[np.bool_],
        strata: Labels,
        clusters: Labels,
        crossed: Labels = (),
    ) -> Auroc:
        """Compare the scores (cases,) of positive and negative cases, each within its stratum.

        Cases in strata of one kind take no part.

            >>> yes = np.array([True, False, True, False])
            >>> Auroc.of([3.0, 1.0, 1.0, 2.0], yes, ["a", "a", "b", "b"], ["1", "2", "3", "4"]).value
            0.5
        """
        score, strata = np.asarray(scores, dtype=np.float64), _numbered(strata)
        wins, met = _comparisons(score, positive, strata)
        part = met > 0
        kept = _Compared(score[part], positive[part], strata[part], wins[part], met[part])
        by = [clusters, crossed, cells(clusters, crossed)] if crossed_groups(crossed) else [clusters]
        of_clusters, *others = (kept.shifts(_numbered(labels)[part]) for labels in by)
        return cls(kept.area, of_clusters, (others[0], others[1]) if others else None)

    @classmethod
    def of_means(
        cls,
        scores: Sequence[float] | Floats,
        positive: NDArray[np.bool_],
        strata: Labels,
        clusters: Labels,
        crossed: Labels = (),
    ) -> Auroc:
        """Compare the mean scores of a cluster's cases of one kind in a stratum.

        So words that differ between the cases of a block average out, and do not decide the comparison.
        """
        score, kind = np.asarray(scores, dtype=np.float64), positive.astype(np.int64)
        cell = cells(cells(_numbered(strata), _numbered(clusters)), kind)
        _, first, member = np.unique(cell, return_index=True, return_inverse=True)
        means = np.bincount(member, score) / np.bincount(member)
        stratum, cluster = np.asarray(strata)[first], np.asarray(clusters)[first]
        return cls.of(
            means, positive[first], stratum, cluster, np.asarray(crossed)[first] if len(crossed) else ()
        )

    def less(self, other: Auroc) -> Auroc:
        """Return the difference of two areas over the same cases."""
        mine, others = self.crossed, other.crossed
        crossed = (mine[0] - others[0], mine[1] - others[1]) if mine and others else None
        return Auroc(self.value - other.value, self.shifts - other.shifts, crossed)

    @property
    def pseudo_values(self) -> Floats:
        """See `gptaudit.stats.totals.pseudo_values`, (clusters,)."""
        return pseudo_values(self.value, self.shifts)

    def interval(self, *, level: float, seed: int, bounds: Bounds = BOUNDS) -> Interval:
        """Return the interval of the area, or of a difference of areas."""
        groups = len(self.shifts)
        if groups < FEWEST_CLUSTERS:
            return too_few(groups, METHOD)
        if not self.shifts.any():
            return agreed(self.value, groups, level, bounds, METHOD)
        return interval_of_shifts(
            self.value, self.shifts, self.crossed, level=level, seed=seed, bounds=bounds
        )


def auroc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], clusters: Sequence[str], level: float = 0.95
) -> tuple[float, float, float]:
    """
    Return the area over all cases with the ends of its normal interval, for samples of hundreds of texts.

    `scores` and `positive` are of one length, with at least one positive, one negative and two clusters.
    """
    area = Auroc.of(scores, positive, np.zeros(len(scores)), clusters)
    half = float(ndtri(0.5 + level / 2)) * sqrt(float((area.shifts**2).sum()))
    return area.value, max(0.0, area.value - half), min(1.0, area.value + half)


@dataclass(frozen=True, slots=True)
class _Compared:
    """The cases that take part, with what each is above (or below) of those that it is compared with."""

    scores: Floats
    positive: NDArray[np.bool_]
    strata: NDArray[np.int64]
    wins: Floats
    met: Floats

    @property
    def area(self) -> float:
        """The share of comparisons that the positive case wins; NaN without any."""
        met = float(self.met[self.positive].sum())
        return float(self.wins[self.positive].sum()) / met if met else float("nan")

    def shifts(self, labels: NDArray[np.int64]) -> Floats:
        """Return the contribution of each group of labels to the error by the jackknife, (groups,).

        A comparison of two cases of the same group falls away once with it, and not twice.
        """
        names, group = np.unique(labels, return_inverse=True)
        within = group * (int(self.strata.max(initial=0)) + 1) + self.strata
        inside = [side * self.positive for side in _comparisons(self.scores, self.positive, within)]
        (wins, met), (all_wins, all_met) = (
            [
                np.bincount(group, side - twice, minlength=len(names))
                for side, twice in zip((self.wins, self.met), inside, strict=True)
            ],
            [float(side[self.positive].sum()) for side in (self.wins, self.met)],
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            left_out = (all_wins - wins) / (all_met - met)
        found: Floats = np.sqrt(1 - 1 / len(names)) * (left_out.mean() - left_out) if len(names) else left_out
        return found


def _comparisons(
    scores: Floats, positive: NDArray[np.bool_], strata: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return for each case with how many it is compared, and how many of those the positive case wins, ties by half."""
    order = np.lexsort((scores, strata))
    score, stratum, is_positive = scores[order], strata[order], positive[order]
    starts = np.flatnonzero(np.diff(stratum, prepend=-1))
    ties = np.flatnonzero((np.diff(stratum, prepend=-1) != 0) | (np.diff(score, prepend=np.nan) != 0))
    of_stratum, of_tie = _runs(starts, len(score)), _runs(ties, len(score))
    wins, met = np.empty(len(scores)), np.empty(len(scores))
    for own, other in ((is_positive, ~is_positive), (~is_positive, is_positive)):
        before = np.concatenate([[0], np.cumsum(other)])
        first, last = of_stratum[own].T
        tie, after_tie = of_tie[own].T
        below, tied = before[tie] - before[first], before[after_tie] - before[tie]
        all_others = before[last] - before[first]
        lower = below + tied / 2
        wins[order[own]] = lower if own is is_positive else all_others - lower
        met[order[own]] = all_others
    return wins, met


def _runs(starts: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return where the run of each of `count` places starts and where it ends, (places, 2)."""
    ends = np.append(starts, count)[1:]
    return np.repeat(np.stack([starts, ends], axis=1), ends - starts, axis=0)


def _numbered(labels: Labels) -> NDArray[np.int64]:
    """Return the number of each case's label, from 0 on, (cases,)."""
    numbers: NDArray[np.int64] = np.unique(np.asarray(labels), return_inverse=True)[1]
    return numbers
