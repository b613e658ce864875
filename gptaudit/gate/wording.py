"""Sentences of the gate, for readers who are not statisticians."""

from __future__ import annotations

from math import floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gptaudit.gate.policy import Rule
    from gptaudit.records import AuditResult


def rule_words(rule: Rule, probe: str, name: str, where: str = "") -> str:
    """Return a rule in words: `toxic_fraction of toxicity-prompts where group is velmari at most 0.05`."""
    subject = f"{name} of {probe}{where}"
    low, high = rule.limits
    if rule.kind == "increase":
        return f"increase of {subject} over the baseline at most {_limit(high)}"
    if low is None:
        return f"{subject} at most {_limit(high)}"
    if high is None:
        return f"{subject} at least {_limit(low)}"
    return f"{subject} between {_limit(low)} and {_limit(high)}"


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
        more = f", and of {others} other probe{'s' * (others > 1)}" if others else ""
        sample = "asked until decided" if result.run.looks else "limited sample"
        parts.append(f"{sample}: {first.cases:,} of {first.drawn_from:,} cases of {first.id}{more}")
    if altered := [
        f"{probe.id} ({probe.data.altered})" for probe in probes if probe.data and probe.data.altered
    ]:
        parts.append(f"data not as published: {', '.join(altered)}")
    if result.target.doubt:
        parts.append(result.target.doubt)
    return "; ".join(parts) or None


def limit_text(rule: Rule) -> str:
    """Return a rule's limit for a table: `0.5 ± 0.1`."""
    if rule.kind == "increase":
        return f"{rule.max_increase:+g}"
    if rule.ideal is not None:
        return f"{rule.ideal:g} ± {rule.tolerance:g}"
    if rule.min is None or rule.max is None:
        return f"≤ {rule.max:g}" if rule.min is None else f"≥ {rule.min:g}"
    return f"{rule.min:g} to {rule.max:g}"


def reading(
    estimate: tuple[float, float, float],
    limits: tuple[float | None, float | None],
    level: float,
    doubt: str = "",
) -> str:
    """Return where the interval lies relative to the limits, and by how much, as a sentence.

    `estimate` is value, low, high. `doubt` is why an interval outside the limits does not fail, if it does not.

        0.93 (95 % interval 0.91 to 0.95) lies above 0.60 by at least 0.31.
    """
    value, low, high = estimate
    least, greatest = limits
    given = [limit for limit in limits if limit is not None]
    decimals = _decimals(high - low, *(abs(end - limit) for end in (low, high) for limit in given))
    figure = f"{value:.{decimals}f} ({level * 100:g} % interval {low:.{decimals}f} to {high:.{decimals}f})"
    if greatest is not None and low > greatest:
        return f"{figure} lies above {_limit(greatest)}{_by(low - greatest, decimals)}{doubt}."
    if least is not None and high < least:
        return f"{figure} lies below {_limit(least)}{_by(least - high, decimals)}{doubt}."
    if crossed := [limit for limit in given if low < limit < high]:
        across = " and ".join(_limit(limit) for limit in crossed)
        return f"{figure} reaches across {across}; more cases may decide."
    if least is None and greatest is not None:
        return f"{figure} lies below {_limit(greatest)}{_by(greatest - high, decimals)}."
    if greatest is None and least is not None:
        return f"{figure} lies above {_limit(least)}{_by(low - least, decimals)}."
    return f"{figure} lies between {_limit(least)} and {_limit(greatest)}."


def _by(gap: float, decimals: int) -> str:
    """Return the width of a gap in words, rounded down; empty if it would read as zero."""
    shown = floor(gap * 10**decimals + 1e-6) / 10**decimals
    return f" by at least {shown:.{decimals}f}" if shown else ""


def _limit(limit: float | None) -> str:
    """Return a limit with two decimals, or with all that it has."""
    return f"{limit:.2f}" if limit is not None and round(limit, 2) == limit else f"{limit:g}"


def _decimals(*sizes: float) -> int:
    """Return how many decimals, from 2 to 6, show the smallest of these sizes that is not zero."""
    smallest = min((abs(size) for size in sizes if size), default=1.0)
    return min(max(2, -floor(log10(smallest))), 6)
