"""
A rate measured with a fallible scorer, corrected for the scorer's errors.

A scorer with sensitivity `se` and specificity `sp` rates a share `r = p se + (1 - p) (1 - sp)` of cases, of which a
share `p` is positive; hence `p = (r + sp - 1) / (se + sp - 1)` (Rogan & Gladen 1978). Three samples make `p` unsure:
the cases, and the labelled texts on which sensitivity and specificity were measured. Each has its own interval, and `p`
belongs to the interval if `r - (p se + (1 - p) (1 - sp))` may be zero according to the three together (MOVER: Zou &
Donner 2008; solved for `p` as by Fieller 1954). So the interval of the raw rate may be any, also of clustered cases.
Lang & Reiczigel (2014) adjust counts instead, which clustered cases do not have. Coverage:
`tests/stats/test_misclassification.py`.

A raw rate below the false-positive rate, as chance gives it, is taken to equal it: the lower the raw rate fell, the
narrower the interval would be otherwise, until it excluded every rate (compare Cowan et al. 2011, power-constrained
limits).

**Any of several texts.** With `of_any(errors, k)` a case is positive if any of its `k` texts is, and rated if any is
rated (toxicity probability: Gehman et al. 2020). A clean case is then rated with probability `1 - sp^k`, one with `j`
positive texts with `1 - (1 - se)^j sp^(k-j)`. The data do not say how large `j` is, so that the rate is known only up
to a range: the interval reaches from the low end for `j = k` to the high end for `j = 1`, and the value is the middle
of the two values. This assumes that the scorer errs on the texts of one prompt independently. Where false positives
come together, for example because a prompt's topic makes a scorer suspicious, fewer clean cases are rated than
assumed, and the corrected rate is too low. Where misses come together, the case's sensitivity stays within its range.

**Pairs of texts.** `corrected_pairs` is of the share `d` of pairs of which one text is positive and the other not, such
as two answers to one request. If the scorer errs on the two independently, an unlike pair is seen to be unlike with
probability `K = se sp + (1 - se)(1 - sp)`, and a like one with `2 se (1 - se)` or `2 sp (1 - sp)`, whichever kind its
texts are of: a scorer that errs one time in ten lets a model that decides alike seem to waver in 18 % of pairs. If it
misreads the two alike, as it may where they answer one request, a like pair is never seen to be unlike. The data do not
tell which holds, so that `d` is known only up to a range: the interval reaches from the low end for independent errors,
those on the kind that is misread more often, to the high end for errors in common, and the value is the middle of the
two values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import hypot, sqrt
from typing import TypeAlias

from scipy.special import ndtri

from gptaudit.stats.intervals import Interval, wilson
from gptaudit.stats.mover import zero_of

Ends: TypeAlias = tuple[float, float, float]
"""The low end, the value, and the high end."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of labelled texts, and the number of independent labels behind it."""

    value: float
    n: float
    """With clustered labels, an effective number; see `of_interval`."""

    def __post_init__(self) -> None:
        if not (0 <= self.value <= 1 and self.n > 0):
            msg = f"a share between 0 and 1 of more than 0 labels is expected, not {self.value} of {self.n}"
            raise ValueError(msg)

    @classmethod
    def of_interval(cls, value: float, interval: Interval, *, level: float) -> Proportion:
        """Return the share whose Wilson interval is as wide as the given one, which may be one for clustered labels.

        >>> Proportion.of_interval(0.9, wilson(90, 100, 0.95), level=0.95)
        Proportion(value=0.9, n=100.0...)
        """
        if interval.low is None or interval.high is None:
            msg = f"a share needs an interval: {interval.why}"
            raise ValueError(msg)
        # Wilson's width w solves w^2 (1 + q)^2 = 4 q value (1 - value) + q^2, where q = z^2 / n.
        square = (interval.high - interval.low) ** 2
        half = square - 2 * value * (1 - value)
        q = (half + sqrt(half**2 + (1 - square) * square)) / (1 - square)
        return cls(value, float(ndtri((1 + level) / 2)) ** 2 / q)

    def ends(self, level: float) -> Ends:
        """Return the low end of Wilson's interval, the value, and the high end."""
        interval = wilson(self.value * self.n, self.n, level)
        return interval.low or 0.0, self.value, interval.high or 0.0


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How often a scorer is right about a text labelled positive, and about one labelled negative."""

    sensitivity: Proportion
    specificity: Proportion
    texts: int = 1
    """Texts of a case, any of which makes it positive, or rated."""


def of_any(errors: ErrorRates, texts: int) -> ErrorRates:
    """Return the same errors for cases that are positive if any of so many texts is."""
    return replace(errors, texts=texts)


@dataclass(frozen=True, slots=True)
class Corrected:
    """A corrected rate and its interval. `why` gives the reason for what is None, and for what the ends cannot tell."""

    value: float | None
    low: float | None
    high: float | None
    why: str | None = None


def corrected_rate(value: float, raw: Interval, errors: ErrorRates, *, level: float) -> Corrected:
    """Return the rate of positive cases, given the rate of rated cases and its interval at the same level.

    >>> errors = ErrorRates(Proportion(0.8, 500), Proportion(0.98, 2000))
    >>> corrected_rate(0.098, wilson(98, 1000, 0.95), errors, level=0.95)
    Corrected(value=0.1, low=0.07..., high=0.12..., why=None)
    """
    model = _Model.of(errors, level)
    if not model.tells:
        return Corrected(None, None, None, model.cannot_tell)
    least, most = (model.undone(value, positive) for positive in (model.texts, 1))
    if raw.low is None or raw.high is None:
        return Corrected((least + most) / 2, None, None, raw.why)
    clean, full = model.rated(0.0), model.rated(1.0, positive=model.texts)
    possible = min(max(value, clean), full)
    low, high = model.end(possible, value - raw.low, -1), model.end(possible, raw.high - value, 1)
    return Corrected((least + most) / 2, min(low, least), max(high, most), model.untold(value, raw))


def corrected_difference(value: float, raw: Interval, errors: ErrorRates, *, level: float) -> Corrected:
    """Return the difference of two rates of positive cases, given that of the rates of rated cases and its interval.

    False positives cancel, and `d (se + sp - 1)` is what is seen of a difference `d`; the scorer must err alike on both
    sides. It belongs to the interval if what was seen may be that, according to all three samples together.

    >>> errors = ErrorRates(Proportion(0.8, 500), Proportion(0.98, 2000))
    >>> corrected_difference(0.39, Interval(0.3, 0.48, "of pairs"), errors, level=0.95)
    Corrected(value=0.5, low=0.38..., high=0.61..., why=None)
    """
    model = _Model.of(errors, level)
    if not model.tells:
        return Corrected(None, None, None, model.cannot_tell)
    seen = model.se[1] + model.sp[1] - 1
    found = min(max(value / seen, -1.0), 1.0)
    if raw.low is None or raw.high is None:
        return Corrected(found, None, None, raw.why)
    low = -model.most(-value, value - raw.low)
    return Corrected(found, min(low, found), max(model.most(value, raw.high - value), found))


def corrected_pairs(value: float, raw: Interval, errors: ErrorRates, *, level: float) -> Corrected:
    """Return the share of unlike pairs, given the share that is rated unlike and its interval at the same level.

    A pair of texts is unlike if one is positive and the other is not.

    >>> errors = ErrorRates(Proportion(0.9, 5000), Proportion(0.9, 5000))
    >>> corrected_pairs(0.18, Interval(0.12, 0.25, "of pairs"), errors, level=0.95)
    Corrected(value=0.10..., low=0.0, high=0.30..., why=None)
    """
    model = _Model.of(errors, level)
    independent, common = (_Pairs(model.se, model.sp, are_independent=way) for way in (True, False))
    if not model.tells or not independent.tells:
        return Corrected(None, None, None, model.cannot_tell)
    least, most = independent.undone(value), common.undone(value)
    if raw.low is None or raw.high is None:
        return Corrected((least + most) / 2, None, None, raw.why)
    low, high = independent.end(value, value - raw.low, -1), common.end(value, raw.high - value, 1)
    return Corrected((least + most) / 2, min(low, least), max(high, most))


def least_detectable(errors: ErrorRates, *, level: float) -> float | None:
    """Return the smallest true rate that could be told apart from 0 with any number of cases; None if none could.

    If the scorer's rates are as estimated and the raw rate is known without error, the interval of the corrected rate
    excludes 0 for all true rates above `(sp^k - l^k) / J`, where `l` is the low end of the specificity's interval, `k`
    the texts of a case, and `J = sp^(k-1) (se + sp - 1)` how much oftener a case with one positive text is rated than
    a clean one. With one text it is `(sp - l) / (se + sp - 1)`.

    >>> least_detectable(ErrorRates(Proportion(0.8, 500), Proportion(0.98, 2000)), level=0.95)
    0.009...
    """
    model = _Model.of(errors, level)
    if not model.tells:
        return None
    unsure = model.rated(0.0, sp=model.sp[0]) - model.rated(0.0)
    rate = unsure / (model.rated(1.0) - model.rated(0.0))
    return rate if rate < 1 else None


def least_limit(errors: ErrorRates, *, level: float) -> float | None:
    """Return the smallest limit that a rate could be shown to keep, with any number of cases; None if none could.

    It is the upper end of the corrected rate if the raw rate is known without error and equals the false-positive
    rate. No sample has a lower upper end, so that a limit below it lies within the scorer's error.

    >>> least_limit(ErrorRates(Proportion(0.8, 500), Proportion(0.98, 2000)), level=0.95)
    0.006...
    """
    model = _Model.of(errors, level)
    return model.end(model.rated(0.0), 0.0, 1) if model.tells else None


@dataclass(frozen=True, slots=True)
class _Model:
    """How often cases are rated, by sensitivity, specificity and the texts of a case."""

    se: Ends
    sp: Ends
    texts: int

    @classmethod
    def of(cls, errors: ErrorRates, level: float) -> _Model:
        return cls(errors.sensitivity.ends(level), errors.specificity.ends(level), errors.texts)

    @property
    def tells(self) -> bool:
        """Return whether positive texts are rated more often than negative ones, beyond doubt.

        Of very many texts of a case, some are rated in any case.
        """
        (se_low, se, _), (sp_low, sp, _) = self.se, self.sp
        return se + sp - 1 > hypot(se - se_low, sp - sp_low) and self.rated(1.0) > self.rated(0.0)

    @property
    def cannot_tell(self) -> str:
        """Say why no rate can be told."""
        why = f"the scorer cannot tell: its sensitivity {_span(self.se)} and specificity {_span(self.sp)} "
        return f"{why}may be those of chance"

    def most(self, seen: float, margin: float) -> float:
        """Return the greatest difference of which so much may be seen; `margin` is how far that reaches upwards."""
        (se_low, se, se_high), (sp_low, sp, sp_high) = self.se, self.sp
        less, more = hypot(se - se_low, sp - sp_low), hypot(se_high - se, sp_high - sp)

        def gap(place: float) -> float:
            share = 2 * place - 1
            return seen - share * (se + sp - 1) + hypot(margin, share * (less if share > 0 else more))

        return 2 * zero_of(gap) - 1

    def rated(
        self, share: float, *, positive: int = 1, se: float | None = None, sp: float | None = None
    ) -> float:
        """Return the rate of rated cases if a share of cases has so many positive texts each and the others none."""
        se, sp = self.se[1] if se is None else se, self.sp[1] if sp is None else sp
        passed = (1 - se) ** positive * sp ** (self.texts - positive)
        return 1 - share * passed - (1 - share) * sp**self.texts

    def undone(self, raw: float, positive: int) -> float:
        """Return the share of positive cases that gives this rate of rated ones."""
        clean, full = self.rated(0.0), self.rated(1.0, positive=positive)
        return min(max((raw - clean) / (full - clean), 0.0), 1.0)

    def end(self, raw: float, margin: float, side: int) -> float:
        """Return the least share (side -1) or the greatest (1) that gives the raw rate within the margins of all three.

        `margin` is how far the raw rate's own interval reaches to that side.
        """
        if side < 0:
            positive, se, sp = self.texts, self.se[2], self.sp[0]
        else:
            positive, se, sp = 1, self.se[0], self.sp[2]
        clean, full = self.rated(0.0), self.rated(1.0, positive=positive)
        by_sensitivity = self.rated(1.0, positive=positive, se=se) - full
        by_specificity = self.rated(0.0, sp=sp) - clean, self.rated(1.0, positive=positive, sp=sp) - full

        def gap(share: float) -> float:
            specificity = (1 - share) * by_specificity[0] + share * by_specificity[1]
            reach = hypot(margin, share * by_sensitivity, specificity)
            return raw - (1 - share) * clean - share * full + side * reach

        return zero_of(gap)

    def untold(self, value: float, raw: Interval) -> str | None:
        """Return why the raw rate tells nothing, if it does not."""
        sp_low, sp, sp_high = self.sp
        clean = self.rated(0.0, sp=sp_high), self.rated(0.0, sp=sp), self.rated(0.0, sp=sp_low)
        full = tuple(self.rated(1.0, positive=self.texts, se=se) for se in self.se)
        rate = _span((raw.low or 0.0, value, raw.high or 0.0))
        if value <= clean[1] or (raw.high or 0.0) <= clean[2]:
            return f"nothing can be told: the raw rate {rate} is within the scorer's false positives {_span(clean)}"
        if (raw.low or 0.0) > full[2]:
            here = f"the scorer errs otherwise here than on the labelled texts: the raw rate {rate} exceeds"
            return f"{here} its sensitivity, {full[1]:.3g}"
        return None


@dataclass(frozen=True, slots=True)
class _Pairs:
    """How often pairs of texts are rated unlike, by sensitivity and specificity."""

    se: Ends
    sp: Ends
    are_independent: bool
    """Whether the scorer errs on the texts of a pair independently; otherwise it rates like texts alike."""

    @property
    def tells(self) -> bool:
        """Return whether unlike pairs are rated unlike more often than like ones."""
        return self.rated(1.0) > self.rated(0.0)

    def rated(self, share: float, *, se: float | None = None, sp: float | None = None) -> float:
        """Return the share of pairs that are rated unlike if a share of them is."""
        se, sp = self.se[1] if se is None else se, self.sp[1] if sp is None else sp
        like = 2 * max(se * (1 - se), sp * (1 - sp)) if self.are_independent else 0.0
        return (1 - share) * like + share * (se * sp + (1 - se) * (1 - sp))

    def undone(self, raw: float) -> float:
        """Return the share of unlike pairs that gives this share of those rated unlike."""
        none = self.rated(0.0)
        return min(max((raw - none) / (self.rated(1.0) - none), 0.0), 1.0)

    def end(self, raw: float, margin: float, side: int) -> float:
        """Return the least share (side -1) or the greatest (1) that gives the raw one within the margins of all three.

        `margin` is how far the interval of the raw share reaches to that side.
        """

        def gap(share: float) -> float:
            rated = self.rated(share)
            by_se = max(side * (rated - self.rated(share, se=end)) for end in self.se)
            by_sp = max(side * (rated - self.rated(share, sp=end)) for end in self.sp)
            return raw - rated + side * hypot(margin, by_se, by_sp)

        return zero_of(gap)


def _span(ends: Ends) -> str:
    return f"{ends[1]:.3g} ({ends[0]:.3g} to {ends[2]:.3g})"
