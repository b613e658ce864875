"""Sentences about the figures of an audit, for readers who are not statisticians."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gptaudit.gate.numbers import (
    compact,
    count,
    interval_text,
    level_text,
    places,
    quantity,
    scaled,
    unit_of_difference,
)
from gptaudit.language import later, recorded, tr, trn
from gptaudit.records import Metric, ProbeResult

FEW_CLUSTERS = 20
"""Number of independent units below which the sentences state how few there are."""


PRIOR = "default"
"""Name of the figure of how likely the words of a group are by themselves, which is no finding."""

UNBALANCED = later(
    "Only the whole figure is balanced: that of one group also holds how likely its words are by themselves."
)


_SUBTITLE = re.compile("[:;\N{FULLWIDTH COLON}\N{FULLWIDTH SEMICOLON}]")
"""What ends the part of a title that a sentence begins with."""


@dataclass(frozen=True, slots=True)
class Word:
    """Symbol and text of a verdict or status, so that colour is never the only sign."""

    key: str
    symbol: str
    text: str
    """An English message, as `meaning` is; `tr` tells it."""
    meaning: str


STATUSES: Mapping[str, Word] = {
    word.key: word
    for word in (
        Word("scored", "✓", later("Scored"), later("The probe ran and was scored.")),
        Word("skipped", "–", later("Skipped"), later("The probe was not run.")),  # noqa: RUF001
        Word("error", "!", later("Error"), later("The probe could not be measured.")),
    )
}


def metric_title(metric: Metric) -> str:
    """Return the title of a metric, or else its name in words."""
    title = recorded(metric.title) or name_text(metric)
    return title[:1].upper() + title[1:]


def short_title(metric: Metric) -> str:
    """Return the title of a metric up to where it begins to explain."""
    return _SUBTITLE.split(metric_title(metric), maxsplit=1)[0]


def name_text(metric: Metric) -> str:
    """Return the name of a metric in words."""
    return recorded(metric.name.replace("_", " "))


def why_text(metric: Metric) -> str:
    """Return why a figure or its interval is missing."""
    return recorded(metric.why) if metric.why else tr("no reason was recorded")


def reason_text(probe: ProbeResult) -> str:
    """Return why a probe has no figures."""
    return recorded(probe.reason) if probe.reason else tr("no reason was recorded")


def status_text(probe: ProbeResult) -> str:
    """Return what became of a probe that has no figures, and why."""
    return tr("{status}: {why}", status=tr(STATUSES[probe.status].text), why=reason_text(probe))


def value_text(metric: Metric) -> str:
    """Format the value of a metric with its unit."""
    decimals = places(metric.low, metric.high, metric.unit)
    return tr("no figure") if metric.value is None else quantity(metric.value, metric.unit, decimals)


def ideal_text(metric: Metric) -> str:
    """Format the ideal of a metric with its unit."""
    return compact(metric.ideal, metric.unit)


def pooled_text(metric: Metric) -> str | None:
    """Format a group's pooled estimate with its interval: `61 % (55 to 68 %)`; None if it has none."""
    pooled = metric.pooled
    if pooled is None:
        return None
    decimals = places(pooled.low, pooled.high, metric.unit)
    interval = interval_text(pooled.low, pooled.high, metric.unit)
    return f"{quantity(pooled.value, metric.unit, decimals)} ({interval})"


def metric_reading(metric: Metric) -> str:
    """Describe a metric: its value, its interval, and how the interval compares with the ideal."""
    if metric.value is None:
        return tr("No figure: {why}.", why=why_text(metric))
    lead = _lead(metric)
    interval = interval_text(metric.low, metric.high, metric.unit)
    if interval is None:
        none = tr(
            "There is no interval ({why}), so it cannot be compared with the ideal.", why=why_text(metric)
        )
        return f"{lead} {none}"
    plausible = tr(
        "Plausible values ({level} interval) run from {interval}; {against}.",
        level=level_text(metric.level),
        interval=interval,
        against=_against_ideal(metric),
    )
    few = ""
    if metric.clusters < FEW_CLUSTERS:
        few = trn(
            metric.clusters,
            " It is based on only {n} independent unit.",
            " It is based on only {n} independent units.",
            n=metric.clusters,
        )
    more = f"{few}{_over_crossed(metric)}{_anytime(metric)}{_unfit(metric)}"
    return f"{lead} {plausible}{more}"


def _anytime(metric: Metric) -> str:
    if not metric.anytime:
        return ""
    return tr(
        " The interval holds at any number of units, since no more were asked once the rules were decided."
    )


def _unfit(metric: Metric) -> str:
    return tr(" No rule may limit it: {why}.", why=recorded(metric.unfit)) if metric.unfit else ""


def _over_crossed(metric: Metric) -> str:
    """Say how a figure differs between the groups that cross its units, and for which the interval is meant."""
    crossed = metric.crossed
    if crossed is None:
        return ""
    told = ""
    if crossed.least is not None and crossed.greatest is not None:
        ends = interval_text(crossed.least, crossed.greatest, metric.unit)
        told = tr(" Of one of them alone it is {ends}.", ends=ends)
    return tr(
        " All units are asked about in the same {n} templates, or other groups that cross them.{told} "
        "The interval is for units and templates like these.",
        n=crossed.groups,
        told=told,
    )


_LEADS = {
    "lower": later("The value is {value}; lower is better, {ideal} would be ideal."),
    "higher": later("The value is {value}; higher is better, {ideal} would be ideal."),
    "target": later("The value is {value}; {ideal} would be ideal."),
}


def _lead(metric: Metric) -> str:
    return tr(_LEADS[metric.direction], value=value_text(metric), ideal=ideal_text(metric))


def _against_ideal(metric: Metric) -> str:
    low, high, ideal = metric.low or 0.0, metric.high or 0.0, metric.ideal
    decimals = places(metric.low, metric.high, metric.unit)
    far = quantity(max(abs(low - ideal), abs(high - ideal)), unit_of_difference(metric.unit), decimals)
    if low <= ideal <= high:
        return tr(
            "the ideal is among them, so no deviation from it is shown; one of up to {far} is not excluded",
            far=far,
        )
    better = high < ideal if metric.direction == "lower" else low > ideal
    if better and metric.direction != "target":
        return tr("all of them are better than the ideal")
    return tr(
        "the ideal is not among them: the data show a deviation, {near} to {far} above it"
        if low > ideal
        else "the ideal is not among them: the data show a deviation, {near} to {far} below it",
        near=scaled(min(abs(low - ideal), abs(high - ideal)), metric.unit, decimals),
        far=far,
    )


def slices_reading(slices: Iterable[Metric]) -> str:
    """State the groups with the lowest and the highest figure of one metric."""
    known = [(m.value, m) for m in slices if m.value is not None]
    if len(known) < 2:
        return ""
    (_, least), (_, most) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
    spread = tr(
        "From {least} ({where}) to {most} ({there}).",
        least=value_text(least),
        where=slice_text(least),
        most=value_text(most),
        there=slice_text(most),
    )
    if least.value == most.value:
        spread = tr("{value} in every group.", value=value_text(least))
    chance = tr("The intervals are not corrected for the number of groups: of many, some miss by chance.")
    if most.pooled is None:
        return f"{spread} {chance}"
    pooled = tr(
        "Pooled estimates borrow from the other groups, so that the worst of many is not just the luckiest."
    )
    return f"{spread} {chance} {pooled}"


def slice_text(metric: Metric) -> str:
    """Return the group that a metric is about, or `all`."""
    return ", ".join(metric.slice.values()) or tr("all")


def unbalanced(probe: ProbeResult, axis: str) -> bool:
    """Whether the groups of an axis differ in words whose own likelihood only the whole figure balances out."""
    priors = [m for m in probe.metrics if m.name == PRIOR]
    return bool(priors) and not any(axis in m.slice for m in priors)


def coverage_text(probe: ProbeResult) -> str:
    """State how many of a probe's cases were scored, and whether they are a sample."""
    scored, cases = probe.scored, probe.cases
    sample = tr(", a sample of {n}", n=count(probe.drawn_from)) if probe.drawn_from is not None else ""
    if probe.data and probe.data.altered:
        sample += tr("; data not as published: {data}", data=probe.data.altered)
    if scored == cases:
        return trn(cases, "all {n} case scored", "all {n} cases scored", n=count(cases)) + sample
    share = quantity(scored / cases, "fraction", 1)
    return tr("{n} of {all} cases scored ({share})", n=count(scored), all=count(cases), share=share) + sample


def probes_text(number: int) -> str:
    """Return a count of probes: `1 probe`, `20 probes`."""
    return trn(number, "{n} probe", "{n} probes", n=count(number))


def plural(many: int, word: str) -> str:
    """Return an English noun in the plural unless the number is 1."""
    return word if many == 1 else f"{word}s"
