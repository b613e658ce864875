"""
Accuracy, coverage, false alarms and power of one figure, estimated from its trials.

The unit of sampling is the decoder, and decoders of one seed are correlated: they share the initial weights and the
part of the corpus that does not depend on the dose. So every interval here is clustered by seed.

* Measured is regressed on planted by ordinary least squares. Intervals come from the jackknife over seeds (CV3 of
  MacKinnon, Nielsen & Webb 2023), which allows for seeds that err in the same direction at every dose and for errors
  that depend on the dose; t has one degree of freedom less than there are seeds with a planted dose, since clean
  decoders hardly influence the slope.
* Shares have Wilson's interval, clustered by seed if a seed occurs more than once.
* A flaw is found if the near end of the interval, the one towards the ideal, is beyond the ideal on the flaw's side.
  Its distance from the ideal is the margin. Detection itself is 0 or 1 and says little with five decoders; the margins
  say more. Between two neighbouring doses the mean margin is assumed to be linear in the effect, and margins to be
  normally distributed with the pooled standard deviation of the two doses. Then a flaw is found with power 95 % where
  the mean margin is 1.645 standard deviations. The smallest such flaw is searched downwards from the largest dose, so
  that every larger flaw that was tried is found as often. If the ideal is the lowest possible value, a single bad case
  can make an interval exclude it, and the smallest flaw that is found is smaller than this estimate; where the
  decoders of a dose are all measured alike, the margin says nothing between none and the smallest flaw that was tried,
  which is then the estimate. There is none if
  most clean decoders raise an alarm, as they do where a scorer calls harmless text toxic: then an alarm is no sign of
  a flaw.
* A figure that counts what a scorer finds has the slope sensitivity + specificity - 1 and the intercept
  1 - specificity (Rogan & Gladen 1978), and its interval seldom contains the planted rate. The planted rate is that of
  the label in the corpus, not that of a scorer; so both show the scorer's error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import ndtri, stdtrit

from gptaudit.records import SMALL, CalibratedFigure, Estimate, Power, Shape, Share, Trial
from gptaudit.stats.intervals import mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER = 0.95
"""Share of audits that find the smallest detectable flaw."""
FEWEST_SEEDS = 3
"""Minimum number of seeds with a planted dose for an interval of the slope."""
FEWEST_DECODERS = 3
"""Minimum number of decoders at a dose for a standard deviation."""
ROUNDING = 1e-9
"""Margins that differ by no more are equal."""
DRAWS = 4000
"""Draws for the interval of the smallest flaw."""
_Z = float(ndtri(POWER))


@dataclass(frozen=True, slots=True)
class Subject:
    """The figure to calibrate, its flaw, and what is known about both in advance."""

    flaw: str
    metric: str
    slice: Mapping[str, str]
    unit: str
    same_unit: bool
    ideal: float
    clean: float
    """True rate at dose 0."""
    side: int
    """+1 if the flaw raises the figure, -1 if it lowers it."""
    level: float
    cases: int
    shape: Shape = SMALL
    """Shape of the decoders."""


def calibrate_figure(subject: Subject, trials: Sequence[Trial]) -> CalibratedFigure:
    """Summarise the trials of one figure.

    An audit without the figure found nothing, so it counts against the power; decoders that did not learn count only
    in `failed`.
    """
    audited = [t for t in trials if not t.failed]
    slope, intercept, r2 = line_of(audited, subject.level)
    smallest = smallest_detectable(subject, audited)
    return CalibratedFigure(
        flaw=subject.flaw,
        metric=subject.metric,
        slice=dict(subject.slice),
        unit=subject.unit,
        same_unit=subject.same_unit,
        ideal=subject.ideal,
        level=subject.level,
        cases=subject.cases,
        decoders=len(audited),
        failed=len(trials) - len(audited),
        slope=slope,
        intercept=intercept,
        r2=r2,
        false_alarms=_false_alarms(subject, audited),
        covers_planted=_coverage(subject, audited, [t.planted for t in audited]),
        covers_learned=_coverage(subject, audited, [t.learned for t in audited]),
        power=tuple(_power(subject, dose, audited) for dose in _doses(audited)),
        smallest_detectable=smallest.value,
        why=smallest.why,
        smallest_low=smallest.low,
        smallest_high=smallest.high,
        shape=subject.shape,
    )


def excludes(trial: Trial, ideal: float) -> bool:
    """Whether the interval lies entirely on one side of the ideal."""
    return trial.low is not None and trial.high is not None and not trial.low <= ideal <= trial.high


def margin(trial: Trial, ideal: float, side: int) -> float | None:
    """Return how far the interval's near end is beyond the ideal on the flaw's side; above 0, the flaw is found."""
    near = trial.low if side > 0 else trial.high
    return None if near is None else side * (near - ideal)


def line_of(trials: Sequence[Trial], level: float) -> tuple[Estimate, Estimate, float | None]:
    """Regress measured on planted; return slope, intercept and R2. What cannot be estimated is None."""
    known = [(t.planted, t.value, t.seed, t.dose) for t in trials if t.value is not None]
    x, y = (np.array([row[i] for row in known], dtype=np.float64) for i in (0, 1))
    seeds = np.array([row[2] for row in known])
    if len(set(x.tolist())) < 2:
        nothing = Estimate(None, None, None, "decoders of at least two doses are needed for a line")
        return nothing, nothing, None
    fitted = _least_squares(x, y)
    total = float(((y - y.mean()) ** 2).sum())
    residual = float(((y - fitted[0] * x - fitted[1]) ** 2).sum())
    r2 = 1 - residual / total if total > 0 else None
    flawed = len({seed for _, _, seed, dose in known if dose > 0})
    if flawed < FEWEST_SEEDS:
        why = f"seeds with a planted dose: {flawed}, too few for an interval; at least {FEWEST_SEEDS} are needed"
        slope, intercept = (Estimate(float(value), None, None, why) for value in fitted)
        return slope, intercept, r2
    half = stdtrit(flawed - 1, (1 + level) / 2) * _jackknife_errors(x, y, seeds, fitted)
    slope, intercept = (
        Estimate(float(v), float(v - h), float(v + h)) for v, h in zip(fitted, half, strict=True)
    )
    return slope, intercept, r2


def smallest_detectable(subject: Subject, trials: Sequence[Trial]) -> Estimate:
    """Return the smallest effect found with power 95 %, or the reason why none is; the module docstring has the method.

    An end of its interval is None where that many draws find none, both where no two decoders of a dose differ.
    """
    margins = {
        abs(_planted(dose, trials) - subject.clean): np.array(
            [
                m
                for t in trials
                if t.dose == dose and (m := margin(t, subject.ideal, subject.side)) is not None
            ]
        )
        for dose in _doses(trials, clean=True)
    }
    effects = sorted(margins)
    if len(effects) < 2 or any(len(of_effect) < FEWEST_DECODERS for of_effect in margins.values()):
        why = f"at least {FEWEST_DECODERS} audits with an interval are needed at every dose"
        return Estimate(None, None, None, why)
    alarms = _false_alarms(subject, trials)
    if alarms.count > alarms.of / 2:
        why = f"most clean decoders raise an alarm too, {alarms.count} of {alarms.of}"
        return Estimate(None, None, None, why)
    pairs = [(margins[low], margins[high]) for low, high in pairwise(effects)]
    ends = [[np.array([group.mean() - _Z * _pooled(*pair)[0]]) for group in pair] for pair in pairs]
    smallest = float(_smallest(effects, ends)[0])
    if smallest == inf:
        return Estimate(None, None, None, "even the largest dose is not found in 95 % of audits")
    if not any(_pooled(*pair)[1] for pair in pairs):
        return Estimate(smallest, None, None)
    tails = (1 - subject.level) / 2, (1 + subject.level) / 2
    low, high = np.quantile(_smallest(effects, _drawn(margins, effects)), tails, method="inverted_cdf")
    return Estimate(smallest, min(float(low), smallest), float(max(high, smallest)) if high < inf else None)


Ends: TypeAlias = "list[list[NDArray[np.float64]]]"
"""For each two neighbouring sizes of a flaw, the margin that 95 % of audits exceed at either, each (draws,)."""


def _drawn(margins: Mapping[float, NDArray[np.float64]], effects: Sequence[float]) -> Ends:
    """Draw the ends from what the margins say of their means and standard deviation, for a normal distribution.

    These are generalised pivots (Weerahandi 1993): the deviation is that of the sample over that of a sample from the
    standard normal, and the mean that of the sample plus as many deviations as such a sample's mean has.
    """
    generator = np.random.default_rng(0)
    normal = {effect: generator.normal(size=DRAWS) / sqrt(len(margins[effect])) for effect in effects}
    found = []
    for pair in pairwise(effects):
        scatter, freedom = _pooled(*(margins[effect] for effect in pair))
        deviation = scatter * np.sqrt(freedom / generator.chisquare(freedom, DRAWS)) if freedom else 0.0
        found.append([margins[e].mean() + deviation * (normal[e] - _Z) for e in pair])
    return found


def _smallest(effects: Sequence[float], ends: Ends) -> NDArray[np.float64]:
    """Return the smallest effect that is found with power 95 %, infinite if none is, (draws,)."""
    smallest = np.full(len(ends[0][0]), inf)
    searching = np.ones(len(smallest), dtype=bool)
    for (low, high), (first, last) in reversed(list(zip(pairwise(effects), ends, strict=True))):
        searching &= last > 0
        smallest[searching] = low
        crosses = searching & (first <= ROUNDING)
        share = np.where(first < -ROUNDING, -first / np.where(crosses, last - first, 1.0), 1.0)
        smallest[crosses] += (high - low) * share[crosses]
        searching &= ~crosses
    return smallest


def _pooled(*groups: NDArray[np.float64]) -> tuple[float, int]:
    """Return the pooled standard deviation of the groups that vary, and its degrees of freedom.

    If the ideal is the lowest possible value, the margins of clean decoders are all 0: they cannot vary downwards,
    and say nothing about margins that can.
    """
    varying = [group for group in groups if group.max() - group.min() > ROUNDING]
    freedom = sum(len(group) - 1 for group in varying)
    squares = sum(float(((g - g.mean()) ** 2).sum()) for g in varying)
    return (sqrt(squares / freedom) if freedom else 0.0), freedom


def _least_squares(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (slope, intercept)."""
    dx = x - x.mean()
    slope = float((dx * y).sum() / (dx * dx).sum())
    return np.array([slope, y.mean() - slope * x.mean()])


def _jackknife_errors(
    x: NDArray[np.float64], y: NDArray[np.float64], seeds: NDArray[np.int64], fitted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the standard errors of slope and intercept, leaving each seed out in turn."""
    names = np.unique(seeds)
    moved = np.array([_least_squares(x[seeds != s], y[seeds != s]) - fitted for s in names])
    errors: NDArray[np.float64] = np.sqrt((len(names) - 1) / len(names) * (moved**2).sum(axis=0))
    return errors


def _false_alarms(subject: Subject, trials: Sequence[Trial]) -> Share:
    clean = [t for t in trials if t.dose == 0]
    return _share(clean, [excludes(t, subject.ideal) for t in clean], subject.level)


def _coverage(subject: Subject, trials: Sequence[Trial], truths: Sequence[float | None]) -> Share | None:
    """Return the share of intervals that contain the truth; audits without an interval are left out."""
    if not subject.same_unit:
        return None
    known = [
        (trial, trial.low <= truth <= trial.high)
        for trial, truth in zip(trials, truths, strict=True)
        if truth is not None and trial.low is not None and trial.high is not None
    ]
    return _share([trial for trial, _ in known], [held for _, held in known], subject.level)


def _power(subject: Subject, dose: float, trials: Sequence[Trial]) -> Power:
    of_dose = [t for t in trials if t.dose == dose]
    planted = _planted(dose, trials)
    found = [(margin(t, subject.ideal, subject.side) or -inf) > 0 for t in of_dose]
    return Power(dose, planted, abs(planted - subject.clean), _share(of_dose, found, subject.level))


def _share(trials: Sequence[Trial], held: Sequence[bool], level: float) -> Share:
    seeds = [str(trial.seed) for trial in trials]
    interval = mean_interval([float(h) for h in held], seeds, level=level, seed=0, binary=True)
    return Share(sum(bool(h) for h in held), len(held), interval.low, interval.high)


def _doses(trials: Sequence[Trial], *, clean: bool = False) -> list[float]:
    return sorted({t.dose for t in trials if clean or t.dose > 0})


def _planted(dose: float, trials: Sequence[Trial]) -> float:
    return next(t.planted for t in trials if t.dose == dose)
