"""What the figures say, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gptaudit.records import AuditResult, Metric, Verdict

from .numbers import compact, count, difference, number, places, quantity, scaled

FEW_CLUSTERS = 20
"""With fewer independent units than this, a reader is told how few there are."""

OUTCOMES: Mapping[Verdict, str] = {
    "fail": "failed",
    "inconclusive": "could not be decided",
    "incomplete": "had too little scored",
}

MOST_REASONS = 3
"""How many rules the sentence of the verdict names."""


@dataclass(frozen=True, slots=True)
class Word:
    """A verdict or status as it is shown: never by colour alone."""

    key: str
    symbol: str
    text: str
    meaning: str


VERDICTS: Mapping[str, Word] = {
    word.key: word
    for word in (
        Word("pass", "✓", "Pass", "The model meets the policy."),
        Word("fail", "✕", "Fail", "The model does not meet the policy."),
        Word(
            "inconclusive", "?", "Inconclusive", "The data do not decide whether the model meets the policy."
        ),
        Word("incomplete", "…", "Incomplete", "Too little was scored; nothing may be concluded."),
        Word("none", "–", "No policy", "Figures only: no policy was given, so nothing was decided."),  # noqa: RUF001
    )
}

STATUSES: Mapping[str, Word] = {
    word.key: word
    for word in (
        Word("scored", "✓", "Scored", "The probe ran and was scored."),
        Word("skipped", "–", "Skipped", "The probe was not run."),  # noqa: RUF001
        Word("error", "!", "Error", "The probe could not be measured."),
    )
}


def verdict(result: AuditResult) -> Word:
    """Return the gate's verdict, or that there was no policy."""
    return VERDICTS[result.gate.verdict if result.gate else "none"]


def verdict_sentence(result: AuditResult) -> str:
    """Say in one sentence what decided: `1 of 3 rules failed: a.b, the whole interval lies above 0.6.`."""
    gate = result.gate
    if gate is None:
        return "Give a policy (--policy FILE, or --policy default) to have a decision."
    many = len(gate.rules)
    if gate.verdict == "pass":
        return f"All {many} rules passed." if many > 1 else "The one rule passed."
    deciding = [rule for rule in gate.rules if rule.verdict == gate.verdict]
    reasons = "; ".join(f"{rule.metric}, {rule.why.rstrip('.')}" for rule in deciding[:MOST_REASONS])
    more = "; and more below" if len(deciding) > MOST_REASONS else ""
    others = [
        f"{sum(rule.verdict == verdict for rule in gate.rules)} {what}"
        for verdict, what in OUTCOMES.items()
        if verdict != gate.verdict and any(rule.verdict == verdict for rule in gate.rules)
    ]
    besides = f" Besides, {' and '.join(others)}." if others else ""
    outcome = f"{len(deciding)} of {many} {plural(many, 'rule')} {OUTCOMES[gate.verdict]}"
    return f"{outcome}: {reasons}{more}.{besides}"


def status_warning(result: AuditResult) -> str | None:
    """Say that the run did not come to its end, if so."""
    stands = "The figures stand on a part of the cases."
    why = f" ({result.run.why})" if result.run.why else ""
    return {
        "complete": None,
        "partial": f"The run stopped before all was asked{why}. {stands}",
        "interrupted": f"The run was interrupted. {stands}",
    }[result.run.status]


def metric_title(metric: Metric) -> str:
    """Name a metric for a reader."""
    title = metric.title or metric.name.replace("_", " ")
    return title[:1].upper() + title[1:]


def value_text(metric: Metric) -> str:
    """Write the value with its unit."""
    decimals = places(metric.low, metric.high, metric.unit)
    return "no figure" if metric.value is None else quantity(metric.value, metric.unit, decimals)


def ideal_text(metric: Metric) -> str:
    """Write the ideal with its unit."""
    return compact(metric.ideal, metric.unit)


def interval_text(low: float | None, high: float | None, unit: str) -> str | None:
    """Write an interval: `90.4 to 95.2 %`."""
    if low is None or high is None:
        return None
    decimals = places(low, high, unit)
    return f"{scaled(low, unit, decimals)} to {quantity(high, unit, decimals)}"


def range_text(least: float, greatest: float, unit: str) -> str:
    """Write the range that a rule allows; an end may be infinite."""
    if math.isinf(least):
        return f"at most {compact(greatest, unit)}"
    if math.isinf(greatest):
        return f"at least {compact(least, unit)}"
    return f"{compact(least, unit)} to {compact(greatest, unit)}"


def level_text(level: float) -> str:
    """Write a confidence level in per cent."""
    return number(level * 100, 0 if (level * 100) % 1 < 1e-9 else 1) + "\N{NO-BREAK SPACE}%"


def metric_reading(metric: Metric) -> str:
    """Say what a metric means: its value, the values that are plausible, and how they lie to the ideal."""
    if metric.value is None:
        return f"No figure: {metric.why or 'no reason was recorded'}."
    lead = f"The model is at {value_text(metric)}; {_aim(metric)}."
    interval = interval_text(metric.low, metric.high, metric.unit)
    if interval is None:
        reason = metric.why or "no reason was recorded"
        return f"{lead} There is no interval ({reason}), so it cannot be told from the ideal."
    plausible = f"Plausible values ({level_text(metric.level)} interval) run from {interval}"
    few = ""
    if metric.clusters < FEW_CLUSTERS:
        few = f" It rests on {metric.clusters} independent {plural(metric.clusters, 'unit')} only."
    return f"{lead} {plausible}; {_against_ideal(metric)}.{few}"


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
    far = difference(max(abs(low - ideal), abs(high - ideal)), metric.unit, decimals)
    if low <= ideal <= high:
        return (
            f"the ideal is among them, so no deviation from it is shown; one of up to {far} is not ruled out"
        )
    better = high < ideal if metric.direction == "lower" else low > ideal
    if better and metric.direction != "target":
        return "all of them are better than the ideal"
    near = scaled(min(abs(low - ideal), abs(high - ideal)), metric.unit, decimals)
    side = "above" if low > ideal else "below"
    return f"the ideal is not among them: the data show a deviation, {near} to {far} {side} it"


def slices_reading(slices: Iterable[Metric]) -> str:
    """Say between which groups the figures of one metric spread."""
    known = [(m.value, m) for m in slices if m.value is not None]
    if len(known) < 2:
        return ""
    (_, least), (_, most) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
    return (
        f"From {value_text(least)} ({slice_text(least)}) to {value_text(most)} ({slice_text(most)}). "
        f"Each interval stands for itself: of many, some miss the true value by chance."
    )


def slice_text(metric: Metric) -> str:
    """Name the group a metric is about."""
    return ", ".join(metric.slice.values()) or "all"


def coverage_text(scored: int, cases: int) -> str:
    """Say how many cases were scored."""
    if scored == cases:
        return f"all {count(cases)} {plural(cases, 'case')} scored"
    return f"{count(scored)} of {count(cases)} cases scored ({quantity(scored / cases, 'fraction', 1)})"


def plural(many: int, word: str) -> str:
    """Put a noun in the plural where it is not one thing."""
    return word if many == 1 else f"{word}s"
