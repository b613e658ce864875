"""Sentences about the errors of the scorer behind a figure."""

from __future__ import annotations

from gptaudit.gate.numbers import count, interval_text, level_text, number, places, quantity
from gptaudit.language import recorded, tr
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
    text = tr(
        "A second scorer, {second}, was given the same {texts} texts: {first_only} count by {first} alone, "
        "{second_only} by {second} alone",
        first=found.first,
        second=found.second,
        texts=count(found.texts),
        first_only=count(found.first_only),
        second_only=count(found.second_only),
    )
    why = recorded(found.why or "")
    if found.kappa is None:
        return tr("{text}; agreement beyond chance is not defined: {why}.", text=text, why=why)
    kappa = number(found.kappa, 2)
    if found.low is None or found.high is None:
        return tr("{text}; kappa is {kappa} (no interval: {why}).", text=text, kappa=kappa, why=why)
    return tr(
        "{text}; kappa is {kappa}, {level} interval {interval}.",
        text=text,
        kappa=kappa,
        level=level_text(found.level),
        interval=tr("{low} to {high}", low=number(found.low, 2), high=number(found.high, 2)),
    )


def _by_labels(metric: Metric, found: LabelledRate) -> str:
    """Describe the share by a person's labels, and how the scorer did on these texts."""
    labels, positive = count(found.labels), count(found.positive)
    if found.value is None:
        return tr(
            "By {labels} labels of a person, {positive} of them positive, it is unknown: {why}.",
            labels=labels,
            positive=positive,
            why=recorded(found.why or ""),
        )
    said = tr(
        "By {labels} labels of a person, {positive} of them positive, and the scorer's verdict on all {texts} texts it "
        "is {value}, {level} interval {interval}.",
        labels=labels,
        positive=positive,
        texts=count(found.texts),
        value=quantity(found.value, metric.unit, places(found.low, found.high, metric.unit)),
        level=level_text(found.level),
        interval=interval_text(found.low, found.high, metric.unit),
    )
    if found.sensitivity:
        said += tr(
            " Here the scorer finds {share} of what the labels call positive.",
            share=_share(found.sensitivity),
        )
    if found.specificity:
        said += tr(" It passes {share} of the rest.", share=_share(found.specificity))
    return said


def _by_card(metric: Metric, scorer: str) -> str:
    """Describe the share corrected for the errors that the scorer's card shows."""
    found = metric.corrected
    if found is None:
        return tr(
            "How often the scorer {scorer} errs is not known for this model, so nothing is corrected: measure it with "
            "gptaudit scorers evaluate {scorer}.",
            scorer=scorer,
        )
    about, why = _of_card(found, scorer), recorded(found.why or "")
    if found.value is None:
        return tr("Nothing can be told from this figure: {why}. {about}", why=why, about=about)
    text = tr(
        "Corrected for the scorer's errors it is {value}, {level} interval {interval}.",
        value=quantity(found.value, metric.unit, places(found.low, found.high, metric.unit)),
        level=level_text(found.level),
        interval=interval_text(found.low, found.high, metric.unit),
    )
    caution = f" {tr('{why}.', why=why[:1].upper() + why[1:])}" if why else ""
    return f"{text}{caution} {about}"


def of_scorer(metric: Metric) -> str | None:
    """Describe the errors of the scorer behind a figure; None where they are not known, or no scorer rated it."""
    if metric.rated is None or metric.corrected is None:
        return None
    return _of_card(metric.corrected, metric.rated.scorer)


def _of_card(found: Correction, scorer: str) -> str:
    errors = found.errors
    return tr(
        "The scorer {scorer} ({model}) finds {found} of the texts labelled positive ({found_on}) and passes {passed} "
        "of the rest ({passed_on}).",
        scorer=scorer,
        model=found.model,
        found=_share(errors.sensitivity),
        found_on=errors.sensitivity_on,
        passed=_share(errors.specificity),
        passed_on=errors.specificity_on,
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
    return tr(
        "{share} ({ends}, {n} texts)", share=quantity(share.value, "fraction", 1), ends=ends, n=count(share.n)
    )
