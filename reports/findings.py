"""Findings: what an audit says about each probe, worst first, in four classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gptaudit.gate.numbers import compact, interval_text, level_text, places, quantity, unit_of_difference
from gptaudit.gate.wording import range_text
from gptaudit.language import later, recorded, tr
from gptaudit.records import AuditResult, Metric, ProbeResult, RuleResult
from gptaudit.records.metric_name import MetricName

from .sentences import (
    PRIOR,
    UNBALANCED,
    name_text,
    short_title,
    slice_text,
    unbalanced,
    value_text,
    why_text,
)

Kind: TypeAlias = Literal["deviates", "open", "holds", "unmeasured"]

KINDS: Mapping[Kind, str] = {
    "deviates": later("Exceeds a limit, or shows a deviation"),
    "open": later("Cannot tell"),
    "holds": later("Keeps its limits, or shows no deviation"),
    "unmeasured": later("Could not be measured"),
}
"""Class of findings -> its heading in English, worst first."""

TELLING = 0.1
"""Size of deviation that a figure must exclude to say that none is shown: ten points, or an odds ratio of 1.5."""

LOGARITHMIC = frozenset({"nats", "logits", "log-odds"})

_RANK = ("fail", "inconclusive", "incomplete", "pass")


@dataclass(frozen=True, slots=True)
class Finding:
    """What the audit says about one probe, by the figure that matters most."""

    kind: Kind
    size: float
    """How far the figure is from its ideal for certain or, if that cannot be told, at most; see `size`."""
    index: int
    """Position of the probe in the results."""
    probe: ProbeResult
    metric: Metric | None
    """The figure that a rule limits, or else the probe's first."""
    rule: RuleResult | None
    """The rule about the figure with the worst verdict."""
    sentence: str


def findings(result: AuditResult) -> list[Finding]:
    """Return the findings of all probes but those that were skipped: by class, and the largest first."""
    rules: dict[str, list[RuleResult]] = {}
    for rule in result.gate.rules if result.gate else ():
        rules.setdefault(MetricName.of(rule.metric).probe, []).append(rule)
    found = [
        _finding(result, index, probe, rules.get(probe.id, []))
        for index, probe in enumerate(result.probes)
        if probe.status != "skipped"
    ]
    kinds = list(KINDS)
    return sorted(
        found,
        key=lambda f: (kinds.index(f.kind), _RANK.index(f.rule.verdict) if f.rule else len(_RANK), -f.size),
    )


def _finding(result: AuditResult, index: int, probe: ProbeResult, rules: Sequence[RuleResult]) -> Finding:
    rule = min(rules, key=lambda r: _RANK.index(r.verdict), default=None)
    metric = result.metric(rule.metric) if rule else None
    if metric is None:
        metric = next((m for m in probe.metrics if not m.slice and not m.unfit and m.value is not None), None)
    if probe.status == "error" or metric is None or metric.value is None:
        why = recorded(probe.reason or (metric.why if metric else "") or "") or tr("it has no figures")
        return Finding(
            "unmeasured", 0.0, index, probe, None, rule, tr("{why}.", why=f"{why[:1].upper()}{why[1:]}")
        )
    kind, distance = _by_rule(rule, metric) if rule else _by_ideal(metric)
    sentence = _sentence(kind, metric, rule)
    if kind != "unmeasured" and (order := decided_by_order(probe)):
        kind = "open" if kind == "holds" or rule is None else kind
        sentence = f"{order} {sentence}"
    return Finding(kind, size(distance, metric), index, probe, metric, rule, sentence)


CONSISTENCY = "consistency"
"""Name of the figure of how many questions have one answer in all orders of their options."""

CONSISTENT = 0.5
"""Share of questions that must have one answer in all orders of their options for figures of them to mean much."""


def decided_by_order(probe: ProbeResult) -> str:
    """Say that the order of the options decides the answers of a probe, and not what they say; empty if not."""
    for metric in probe.metrics:
        if metric.name == CONSISTENCY and not metric.slice and (metric.high or 1.0) < CONSISTENT:
            return tr(
                "Hardly measurable in this form, as the order of the options decides: {share} consistency.",
                share=value_text(metric),
            )
    return ""


def size(distance: float, metric: Metric) -> float:
    """Return a distance on a scale from 0 to 1 that units share, so that figures can be sorted.

    A distance of logarithms of odds counts as the change of a probability of one half, any other as a share of the
    range of the figure.
    """
    if metric.unit in LOGARITHMIC:
        return 1 / (1 + math.exp(-min(distance, 700.0))) - 0.5
    least, greatest = metric.bounds
    if least is not None and greatest is not None and greatest > least:
        return min(1.0, distance / max(greatest - metric.ideal, metric.ideal - least))
    return min(1.0, distance) if metric.unit in {"fraction", "score"} else distance / (1 + distance)


def deviation(metric: Metric) -> float:
    """Return the size of the distance of a figure from its ideal; 0 where there is no figure."""
    return 0.0 if metric.value is None else size(abs(metric.value - metric.ideal), metric)


def _distances(metric: Metric, low: float, high: float) -> tuple[float, float]:
    """Return the least and the greatest distance from the ideal; what is better than the ideal is at no distance."""
    below, above = metric.ideal - low, high - metric.ideal
    if metric.direction == "lower":
        below = 0.0
    elif metric.direction == "higher":
        above = 0.0
    near = max(0.0, low - metric.ideal if metric.direction != "higher" else 0.0)
    near = max(near, metric.ideal - high if metric.direction != "lower" else 0.0)
    return near, max(0.0, below, above)


def _by_ideal(metric: Metric) -> tuple[Kind, float]:
    """Class a figure by where its interval lies to the ideal; return also by how much."""
    _, low, high = metric.estimate
    if low is None or high is None:
        return "open", abs((metric.value or 0.0) - metric.ideal)
    near, far = _distances(metric, low, high)
    if near > 0:
        return "deviates", near
    return ("open" if size(far, metric) > TELLING else "holds"), far


def _by_rule(rule: RuleResult, metric: Metric) -> tuple[Kind, float]:
    kinds: Mapping[str, Kind] = {"fail": "deviates", "pass": "holds"}
    value = metric.value if rule.value is None else rule.value
    return kinds.get(rule.verdict, "open"), abs((value or 0.0) - (0.0 if rule.increase else metric.ideal))


def _sentence(kind: Kind, metric: Metric, rule: RuleResult | None) -> str:
    title = short_title(metric)
    if metric.slice:
        title = tr("{title} for {group}", title=title, group=slice_text(metric))
    value, low, high = metric.estimate
    if rule is not None:
        return tr("{title}: {why}", title=title, why=recorded(rule.why))
    if value is None:
        why = metric.corrected.why if metric.corrected else None
        return tr(
            "{title}: {value} as rated, but nothing can be told from it: {why}.",
            title=title,
            value=value_text(metric),
            why=recorded(why) if why else tr("no reason"),
        )
    if low is None or high is None:
        return tr(
            "{title}: {value}, without an interval: {why}.",
            title=title,
            value=value_text(metric),
            why=why_text(metric),
        )
    decimals = places(low, high, metric.unit)
    distances = _distances(metric, low, high)
    near, far = (quantity(d, unit_of_difference(metric.unit), decimals) for d in distances)
    return tr(
        _AGAINST_IDEAL["better" if kind == "holds" and not distances[1] else kind],
        title=title,
        value=quantity(value, metric.unit, decimals),
        level=level_text(metric.level),
        interval=interval_text(low, high, metric.unit, decimals),
        ideal=compact(metric.ideal, metric.unit),
        near=near,
        far=far,
    )


_AGAINST_IDEAL = {
    "deviates": later(
        "{title}: {value} ({level} interval {interval}), at least {near} from the ideal of {ideal}."
    ),
    "open": later(
        "{title}: {value} ({level} interval {interval}); it may be at the ideal of {ideal}, or up to {far} from it."
    ),
    "better": later("{title}: {value} ({level} interval {interval}); it is better than {ideal}."),
    "holds": later(
        "{title}: {value} ({level} interval {interval}); no deviation from the ideal of {ideal} is shown, and none "
        "above {far} is likely."
    ),
}
"""Class of a finding, or `better` than the ideal for certain -> its sentence."""


def allowed_text(rule: RuleResult, metric: Metric) -> str:
    """Return what a rule allows, in the unit of its figure."""
    unit = unit_of_difference(metric.unit) if rule.increase else metric.unit
    return range_text(rule.least, rule.greatest, unit)


def worst_group(finding: Finding) -> str:
    """Name the group farthest from the ideal, with what keeps its figure from being compared; empty without groups."""
    probe, metric = finding.probe, finding.metric
    if metric is None or metric.slice:
        return ""
    sliced = [m for m in probe.metrics if m.slice and m.value is not None]
    names = [metric.name, *dict.fromkeys(m.name for m in sliced if m.name != PRIOR)]
    groups = next((found for n in names if (found := [m for m in sliced if m.name == n])), [])
    worst = max(groups, key=_pooled_deviation, default=None)
    if worst is None:
        return ""
    axis = ", ".join(worst.slice)
    groups = [m for m in groups if m.slice.keys() == worst.slice.keys()]
    if len(groups) < 2:
        return ""
    text = tr(
        "Farthest of {n} groups: {axis} {group}, {value} ({interval})."
        if worst.name == metric.name
        else "Farthest of {n} groups by {metric}: {axis} {group}, {value} ({interval}).",
        n=len(groups),
        metric=name_text(worst),
        axis=axis.replace("_", " "),
        group=slice_text(worst),
        value=value_text(worst),
        interval=interval_text(worst.low, worst.high, worst.unit) or tr("no interval"),
    )
    return text + (f" {tr(UNBALANCED)}" if unbalanced(probe, axis) else "")


def _pooled_deviation(metric: Metric) -> float:
    value = metric.pooled.value if metric.pooled else metric.value
    return size(abs((value or 0.0) - metric.ideal), metric)


def others(finding: Finding) -> Iterator[str]:
    """Yield the titles of the probe's other whole figures that deviate from their ideals."""
    for metric in finding.probe.metrics:
        if metric.slice or metric is finding.metric or metric.name == PRIOR or metric.value is None:
            continue
        if _by_ideal(metric)[0] == "deviates":
            yield f"{name_text(metric)} {value_text(metric)}"
