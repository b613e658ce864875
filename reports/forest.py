"""All figures of an audit, one forest plot for each unit."""

from __future__ import annotations

from collections.abc import Sequence

from gptaudit.gate.numbers import compact, interval_text
from gptaudit.language import later, recorded, tr
from gptaudit.records import AuditResult, Metric

from . import charts, sentences
from .findings import deviation
from .probe_view import MOST_GROUPS, View, anchor, metric_bar
from .sentences import PRIOR

UNITS = {
    "fraction": later("Shares"),
    "score": later("Scores"),
    "nats": later("Log odds, in nats"),
    "logits": later("Differences of logits"),
}
"""Unit -> heading of its plot, for units whose heading is not their name."""

Placed = tuple[int, str, Metric]
"""Position of a probe, its title, and a figure of it."""


def forests(result: AuditResult) -> list[View]:
    """Return the plots: the figures that deviate most first, and their slices apart.

    How likely words are by themselves is no finding, and so far from 0 that it has a plot of its own.
    """
    plots: dict[tuple[str, bool], list[Placed]] = {}
    for index, probe in enumerate(result.probes):
        for metric in probe.metrics:
            plots.setdefault((metric.unit, metric.name == PRIOR), []).append((index, probe.title, metric))
    ordered = sorted(plots.items(), key=lambda plot: (plot[0][1], -len(plot[1])))
    return [_forest(unit, placed, prior=prior) for (unit, prior), placed in ordered]


def _forest(unit: str, placed: Sequence[Placed], *, prior: bool) -> View:
    title = recorded(unit)
    title = tr(UNITS[unit]) if unit in UNITS else title[:1].upper() + title[1:] or tr("Without a unit")
    ordered = sorted(placed, key=lambda p: -deviation(p[2]))
    slices = [p for p in ordered if p[2].slice]
    return {
        "title": tr("{title}: how likely words are by themselves", title=title) if prior else title,
        "whole": _plot([p for p in ordered if not p[2].slice]),
        "slices": _plot(slices[:MOST_GROUPS]),
        "left_out": max(0, len(slices) - MOST_GROUPS),
    }


def _plot(placed: Sequence[Placed]) -> View | None:
    """Return the rows on a common axis; None without any."""
    if not placed:
        return None
    axis = charts.axis_of([metric for *_, metric in placed])
    return {
        "start": compact(axis.start, axis.unit),
        "end": compact(axis.end, axis.unit),
        "rows": [_row(p, axis) for p in placed],
    }


def _row(placed: Placed, axis: charts.Axis) -> View:
    index, probe, metric = placed
    return {
        "anchor": anchor(index),
        "probe": recorded(probe),
        "metric": sentences.name_text(metric),
        "groups": ", ".join(f"{a.replace('_', ' ')}: {group}" for a, group in metric.slice.items()),
        "value": sentences.value_text(metric),
        "interval": interval_text(metric.low, metric.high, metric.unit) or recorded(metric.why or ""),
        "bar": metric_bar(metric, axis),
    }
