"""Sentences of the gate, for readers who are not statisticians."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from gptaudit.gate.numbers import compact, interval_text, level_text, places, quantity, unit_of_difference
from gptaudit.language import recorded, tr, trn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gptaudit.gate.policy import Rule
    from gptaudit.records import AuditResult


def rule_words(rule: Rule, probe: str, name: str, where: str = "", *, unit: str = "") -> str:
    """Return a rule in words: `toxic_fraction of toxicity-prompts where group is velmari at most 5 %`."""
    subject = f"{name} of {probe}{where}"
    if rule.kind == "increase":
        return f"increase of {subject} over the baseline {_limits(rule, unit)}"
    between = None not in rule.limits
    return f"{subject} {'between ' if between else ''}{_limits(rule, unit).replace(' to ', ' and ', between)}"


def slice_words(groups: Mapping[str, str]) -> str:
    """Return which cases a sliced metric covers, in words; empty for a whole figure."""
    return "".join(f" where {axis} is {'each group' if g == '*' else g}" for axis, g in groups.items())


def limited_words(result: AuditResult) -> str | None:
    """Say what limits a verdict: which cases were drawn, which data are not as published, a target in doubt.

    For example `limited sample: 98 of 2,800 cases of gender-occupation`.
    """
    parts, probes = [], result.probes
    if drawn := [probe for probe in probes if probe.drawn_from is not None]:
        first, others = drawn[0], len(drawn) - 1
        said = tr(
            "asked until decided: {cases} of {all} cases of {probe}"
            if result.run.looks
            else "limited sample: {cases} of {all} cases of {probe}",
            cases=f"{first.cases:,}",
            all=f"{first.drawn_from:,}",
            probe=first.id,
        )
        if others:
            said += trn(others, ", and of {n} other probe", ", and of {n} other probes", n=others)
        parts.append(said)
    if altered := [
        f"{probe.id} ({probe.data.altered})" for probe in probes if probe.data and probe.data.altered
    ]:
        parts.append(tr("data not as published: {data}", data=", ".join(altered)))
    if result.target.doubt:
        parts.append(recorded(result.target.doubt))
    return "; ".join(parts) or None


def limit_text(rule: Rule, unit: str) -> str:
    """Return a rule's limit for a table: `50 % ± 10 %`."""
    if rule.ideal is not None and rule.tolerance is not None:
        return f"{compact(rule.ideal, unit)} ± {compact(rule.tolerance, unit)}"
    return _limits(rule, unit)


def range_text(least: float | None, greatest: float | None, unit: str) -> str:
    """Return a range in words: `at most 5 %`, `at least 0.2`, `40 % to 60 %`."""
    if least is not None and greatest is not None:
        return tr("{low} to {high}", low=compact(least, unit), high=compact(greatest, unit))
    if greatest is not None:
        return tr("at most {limit}", limit=compact(greatest, unit))
    return tr("no limit") if least is None else tr("at least {limit}", limit=compact(least, unit))


def _limits(rule: Rule, unit: str) -> str:
    least, greatest = rule.limits
    return range_text(least, greatest, unit_of_difference(unit) if rule.kind == "increase" else unit)


def reading(
    estimate: tuple[float, float, float],
    limits: tuple[float | None, float | None],
    level: float,
    unit: str,
    doubt: str = "",
) -> str:
    """Return where the interval lies relative to the limits, and by how much, as a sentence.

    `estimate` is value, low, high. `doubt` is why an interval outside the limits does not fail, if it does not.

        93.0 % (95 % interval 91.0 to 95.0 %) lies above 60 % by at least 31.0 percentage points.
    """
    value, low, high = estimate
    least, greatest = limits
    given = [limit for limit in limits if limit is not None]
    decimals = places(low, high, unit)
    interval = f"{level_text(level)} interval {interval_text(low, high, unit, decimals)}"
    figure = f"{quantity(value, unit, decimals)} ({interval})"

    def by(gap: float) -> str:
        return _by(gap, unit, decimals)

    if greatest is not None and low > greatest:
        return f"{figure} lies above {compact(greatest, unit)}{by(low - greatest)}{doubt}."
    if least is not None and high < least:
        return f"{figure} lies below {compact(least, unit)}{by(least - high)}{doubt}."
    if crossed := [limit for limit in given if low < limit < high]:
        across = " and ".join(compact(limit, unit) for limit in crossed)
        return f"{figure} reaches across {across}; more cases may decide."
    if least is None and greatest is not None:
        return f"{figure} lies below {compact(greatest, unit)}{by(greatest - high)}."
    if greatest is None and least is not None:
        return f"{figure} lies above {compact(least, unit)}{by(low - least)}."
    return f"{figure} lies between {' and '.join(compact(limit, unit) for limit in given)}."


def _by(gap: float, unit: str, decimals: int) -> str:
    """Return the width of a gap in words, rounded down; empty if it would read as zero."""
    step = 10.0**-decimals / (100 if unit in {"fraction", unit_of_difference("fraction")} else 1)
    shown = floor(gap / step + 1e-6) * step
    return f" by at least {quantity(shown, unit_of_difference(unit), decimals)}" if shown else ""
