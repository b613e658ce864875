"""The errors of a scorer carried into the figures that are shares of what it rated."""

from __future__ import annotations

from collections.abc import Callable

from gptaudit.records import Correction, LabelledShare, Metric, Rated, ScorerCard, ScorerErrors
from gptaudit.stats.intervals import DEFAULT_LEVEL, Interval
from gptaudit.stats.misclassification import (
    Corrected,
    ErrorRates,
    Proportion,
    corrected_difference,
    corrected_pairs,
    corrected_rate,
    least_limit,
    of_any,
)


def errors_of(card: ScorerCard, rated: Rated, axis: str = "", group: str = "") -> ScorerErrors | None:
    """Return the error rates of a decision, those of the group where the card has them; None where it has none."""
    decision = card.decision(rated.labels, rated.threshold)
    if decision is None:
        return None
    return (decision.error_rates(axis, group) if axis else None) or decision.error_rates()


def correction(
    value: float, interval: Interval, rated: Rated, errors: ScorerErrors, *, level: float, model: str
) -> Correction:
    """Return a share, a difference of two or a share of unlike pairs, corrected for the scorer's errors."""
    rates = _rates(errors, rated.any_of)
    found = _corrected_by(rated)(value, interval, rates, level=level)
    return Correction(
        value=found.value,
        low=found.low,
        high=found.high,
        why=found.why,
        level=level,
        model=model,
        errors=errors,
        least_limit=least_limit_of(errors, rated, level),
    )


def corrected_at(metric: Metric, interval: Interval, level: float) -> Correction | None:
    """Return the correction of a finished figure at another level, given its raw interval at that level."""
    kept, rated, value = metric.corrected, metric.rated, metric.value
    if kept is None or rated is None or value is None:
        return None
    return correction(value, interval, rated, kept.errors, level=level, model=kept.model)


def least_limit_of(errors: ScorerErrors, rated: Rated, level: float) -> float | None:
    """Return the smallest limit that a share could be shown to keep, however many texts are rated; None if none.

    That of a difference is 0, since false positives cancel, and so is that of pairs, which may be misread alike.
    """
    least = least_limit(_rates(errors, rated.any_of), level=level)
    return 0.0 if (rated.difference or rated.pairs) and least is not None else least


def _corrected_by(rated: Rated) -> Callable[..., Corrected]:
    if rated.pairs:
        return corrected_pairs
    return corrected_difference if rated.difference else corrected_rate


def _rates(errors: ScorerErrors, texts: int) -> ErrorRates:
    return of_any(ErrorRates(_proportion(errors.sensitivity), _proportion(errors.specificity)), texts)


def _proportion(share: LabelledShare) -> Proportion:
    interval = Interval(share.low, share.high, "card")
    return Proportion.of_interval(share.value, interval, level=DEFAULT_LEVEL)
