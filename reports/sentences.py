"""Sentences about the figures of an audit, for readers who are not statisticians."""

from __future__ import annotations

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
from gptaudit.records import Metric, ProbeResult

FEW_CLUSTERS = 20
"""Number of independent units below which the sentences state how few there are."""


PRIOR = "default"
"""Name of the figure of how likely the words of a group are by themselves, which is no finding."""

UNBALANCED = (
    "Only the whole figure is balanced: that of one group also holds how likely its words are by themselves."
)


@dataclass(frozen=True, slots=True)
class Word:
    """Symbol and text of a verdict or status, so that colour is never the only sign."""

    key: str
    symbol: str
    text: str
    meaning: str


STATUSES: Mapping[str, Word] = {
    word.key: word
    for word in (
        Word("scored", "✓", "Scored", "The probe ran and was scored."),
        Word("skipped", "–", "Skipped", "The probe was not run."),  # noqa: RUF001
        Word("error", "!", "Error", "The probe could not be measured."),
    )
}


def metric_title(metric: Metric) -> str:
    """Return the title of a metric, or else its name in words."""
    title = metric.title or metric.name.replace("_", " ")
    return title[:1].upper() + title[1:]


def short_title(metric: Metric) -> str:
    """Return the title of a metric up to where it begins to explain."""
    return metric_title(metric).partition(":")[0].partition(";")[0]


def value_text(metric: Metric) -> str:
    """Format the value of a metric with its unit."""
    decimals = places(metric.low, metric.high, metric.unit)
    return "no figure" if metric.value is None else quantity(metric.value, metric.unit, decimals)


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
        return f"No figure: {metric.why or 'no reason was recorded'}."
    lead = f"The value is {value_text(metric)}; {_aim(metric)}."
    interval = interval_text(metric.low, metric.high, metric.unit)
    if interval is None:
        reason = metric.why or "no reason was recorded"
        return f"{lead} There is no interval ({reason}), so it cannot be compared with the ideal."
    plausible = f"Plausible values ({level_text(metric.level)} interval) run from {interval}"
    few = ""
    if metric.clusters < FEW_CLUSTERS:
        few = f" It is based on only {metric.clusters} independent {plural(metric.clusters, 'unit')}."
    more = f"{few}{_over_crossed(metric)}{_anytime(metric)}{_unfit(metric)}"
    return f"{lead} {plausible}; {_against_ideal(metric)}.{more}"


def _anytime(metric: Metric) -> str:
    if not metric.anytime:
        return ""
    return " The interval holds at any number of units, since no more were asked once the rules were decided."


def _unfit(metric: Metric) -> str:
    return f" No rule may limit it: {metric.unfit}." if metric.unfit else ""


def _over_crossed(metric: Metric) -> str:
    """Say how a figure differs between the groups that cross its units, and for which the interval is meant."""
    crossed = metric.crossed
    if crossed is None:
        return ""
    told = ""
    if crossed.least is not None and crossed.greatest is not None:
        told = f" Of one of them alone it is {interval_text(crossed.least, crossed.greatest, metric.unit)}."
    return (
        f" All units are asked about in the same {crossed.groups} templates, or other groups that cross them.{told} "
        "The interval is for units and templates like these."
    )


def _aim(metric: Metric) -> str:
    ideal = ideal_text(metric)
    return {
        "lower": f"lower is better, {ideal} would be ideal",
        "higher": f"higher is better, {ideal} would be ideal",
        "target": f"{ideal} would be ideal",
    }[metric.direction]


def _against_ideal(metric: Metric) -> str:
    low, high, ideal = metric.low or 0.0, metric.high or 0.0, metric.ideal
    decimals = places(metric.low, metric.high, metric.unit)
    far = quantity(max(abs(low - ideal), abs(high - ideal)), unit_of_difference(metric.unit), decimals)
    if low <= ideal <= high:
        return (
            f"the ideal is among them, so no deviation from it is shown; one of up to {far} is not excluded"
        )
    better = high < ideal if metric.direction == "lower" else low > ideal
    if better and metric.direction != "target":
        return "all of them are better than the ideal"
    near = scaled(min(abs(low - ideal), abs(high - ideal)), metric.unit, decimals)
    side = "above" if low > ideal else "below"
    return f"the ideal is not among them: the data show a deviation, {near} to {far} {side} it"


def slices_reading(slices: Iterable[Metric]) -> str:
    """State the groups with the lowest and the highest figure of one metric."""
    known = [(m.value, m) for m in slices if m.value is not None]
    if len(known) < 2:
        return ""
    (_, least), (_, most) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
    spread = f"From {value_text(least)} ({slice_text(least)}) to {value_text(most)} ({slice_text(most)})."
    if least.value == most.value:
        spread = f"{value_text(least)} in every group."
    text = f"{spread} The intervals are not corrected for the number of groups: of many, some miss by chance."
    if most.pooled is None:
        return text
    return f"{text} Pooled estimates borrow from the other groups, so that the worst of many is not just the luckiest."


def slice_text(metric: Metric) -> str:
    """Return the group that a metric is about, or `all`."""
    return ", ".join(metric.slice.values()) or "all"


def unbalanced(probe: ProbeResult, axis: str) -> bool:
    """Whether the groups of an axis differ in words whose own likelihood only the whole figure balances out."""
    priors = [m for m in probe.metrics if m.name == PRIOR]
    return bool(priors) and not any(axis in m.slice for m in priors)


def coverage_text(probe: ProbeResult) -> str:
    """State how many of a probe's cases were scored, and whether they are a sample."""
    scored, cases = probe.scored, probe.cases
    sample = f", a sample of {count(probe.drawn_from)}" if probe.drawn_from is not None else ""
    sample += f"; data not as published: {probe.data.altered}" if probe.data and probe.data.altered else ""
    if scored == cases:
        return f"all {count(cases)} {plural(cases, 'case')} scored{sample}"
    return (
        f"{count(scored)} of {count(cases)} cases scored ({quantity(scored / cases, 'fraction', 1)}){sample}"
    )


def plural(many: int, word: str) -> str:
    """Return a noun in the plural unless the number is 1."""
    return word if many == 1 else f"{word}s"


def many(number_of: int, word: str) -> str:
    """Return a count with its noun: `1 probe`, `20 probes`."""
    return f"{count(number_of)} {plural(number_of, word)}"
