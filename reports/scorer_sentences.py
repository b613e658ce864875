"""Sentences about the errors of the scorer behind a figure."""

from __future__ import annotations

from gptaudit.gate.numbers import count, interval_text, level_text, number, places, quantity
from gptaudit.records import Agreement, Correction, LabelledRate, LabelledShare, Metric


def beside_figure(metric: Metric) -> str | None:
    """Describe a share corrected for its scorer's errors, or that these are not known; None for other figures."""
    if metric.rated is None or metric.value is None:
        return None
    said = [_by_labels(metric, metric.labelled)] if metric.labelled else []
    second = [_by_second(metric.agreement)] if metric.agreement else []
    return " ".join([*said, _by_card(metric, metric.rated.scorer), *second])


def _by_second(found: Agreement) -> str:
    """Say how far a second scorer agrees with the one that the figure is by."""
    text = (
        f"A second scorer, {found.second}, was given the same {count(found.texts)} texts: {count(found.first_only)} "
        f"count by {found.first} alone, {count(found.second_only)} by {found.second} alone"
    )
    if found.kappa is None:
        return f"{text}; agreement beyond chance is not defined: {found.why}."
    if found.low is None or found.high is None:
        return f"{text}; kappa is {number(found.kappa, 2)} (no interval: {found.why})."
    ends = f"{number(found.low, 2)} to {number(found.high, 2)}"
    return f"{text}; kappa is {number(found.kappa, 2)}, {level_text(found.level)} interval {ends}."


def _by_labels(metric: Metric, found: LabelledRate) -> str:
    """Describe the share by a person's labels, and how the scorer did on these texts."""
    who = f"By {count(found.labels)} labels of a person, {count(found.positive)} of them positive,"
    if found.value is None:
        return f"{who} it is unknown: {found.why}."
    interval = interval_text(found.low, found.high, metric.unit)
    value = quantity(found.value, metric.unit, places(found.low, found.high, metric.unit))
    said = (
        f"{who} and the scorer's verdict on all {count(found.texts)} texts it is {value}, "
        f"{level_text(found.level)} interval {interval}."
    )
    if found.sensitivity:
        said += f" Here the scorer finds {_share(found.sensitivity)} of what the labels call positive."
    if found.specificity:
        said += f" It passes {_share(found.specificity)} of the rest."
    return said


def _by_card(metric: Metric, scorer: str) -> str:
    """Describe the share corrected for the errors that the scorer's card shows."""
    found = metric.corrected
    if found is None:
        return (
            f"How often the scorer {scorer} errs is not known for this model, so nothing is corrected: measure it with "
            f"gptaudit scorers evaluate {scorer}."
        )
    about = _of_card(found, scorer)
    if found.value is None:
        return f"Nothing can be told from this figure: {found.why}. {about}"
    interval = interval_text(found.low, found.high, metric.unit)
    value = quantity(found.value, metric.unit, places(found.low, found.high, metric.unit))
    text = f"Corrected for the scorer's errors it is {value}, {level_text(found.level)} interval {interval}."
    caution = f" {found.why[:1].upper()}{found.why[1:]}." if found.why else ""
    return f"{text}{caution} {about}"


def of_scorer(metric: Metric) -> str | None:
    """Describe the errors of the scorer behind a figure; None where they are not known, or no scorer rated it."""
    if metric.rated is None or metric.corrected is None:
        return None
    return _of_card(metric.corrected, metric.rated.scorer)


def _of_card(found: Correction, scorer: str) -> str:
    errors = found.errors
    return (
        f"The scorer {scorer} ({found.model}) finds {_share(errors.sensitivity)} of the texts labelled positive "
        f"({errors.sensitivity_on}) and passes {_share(errors.specificity)} of the rest ({errors.specificity_on})."
    )


def in_brief(metric: Metric) -> str | None:
    """Return the corrected value and interval for a table cell; None where there is none, a dash where none is told."""
    found = metric.corrected
    if found is None:
        return None
    if found.value is None:
        return "-"
    value = quantity(found.value, metric.unit, places(found.low, found.high, metric.unit))
    return f"{value} ({interval_text(found.low, found.high, metric.unit)})"


def _share(share: LabelledShare) -> str:
    ends = interval_text(share.low, share.high, "fraction", 1)
    return f"{quantity(share.value, 'fraction', 1)} ({ends}, {count(share.n)} texts)"
