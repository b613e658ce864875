"""HTML page of a comparison of two audits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gptaudit.gate.comparison import (
    Change,
    ChangedCase,
    ComparedAudit,
    Comparison,
    Effect,
    ProbeComparison,
    Test,
    Trend,
)
from gptaudit.gate.numbers import compact, count, level_text, moment, number, places, quantity, scaled, short
from gptaudit.records import Evidence

from . import charts, sentences
from .html import render_page
from .probe_view import View, anchor, exchange_views

READINGS: Mapping[Trend, sentences.Word] = {
    "worse": sentences.Word("fail", "✕", "Worse", "further from the ideal"),
    "better": sentences.Word("pass", "✓", "Better", "nearer to the ideal"),
    "crossed": sentences.Word(
        "inconclusive", "↔", "Crossed", "on the other side of the ideal, about as far from it"
    ),
    "not shown": sentences.Word("none", "–", "No change shown", "no evidence of a difference"),  # noqa: RUF001
}

TESTS: Mapping[Test, str] = {
    "mcnemar": "McNemar's test",
    "sign-flips": "sign changes of clusters",
    "exchanges": "exchanges of clusters",
}

EFFECTS: Mapping[Effect, str] = {"cohens-h": "Cohen's h", "cohens-d": "Cohen's d"}


def render(comparison: Comparison) -> str:
    """Render the page."""
    changes = [change for probe in comparison.probes for change in probe.changes]
    whole = [change for change in changes if not change.slice]
    view = {
        "title": f"{comparison.candidate.target} against {comparison.baseline.target}",
        "sentence": summary(whole, "figure"),
        "slices": summary([c for c in changes if c.slice], "slice"),
        "level": level_text(comparison.level),
        "discoveries": level_text(1 - comparison.level),
        "sides": [_side("baseline", comparison.baseline), _side("candidate", comparison.candidate)],
        "same_model": comparison.baseline.fingerprint == comparison.candidate.fingerprint,
        "probes": [_probe(i, probe) for i, probe in enumerate(comparison.probes)],
    }
    return render_page("comparison.html", view)


def summary(changes: Iterable[Change], what: str) -> str:
    """Count the figures by their change: `Of 3 figures: 1 worse, 2 no change shown.`."""
    readings = [change.reading for change in changes]
    if not readings:
        return ""
    said = [f"{readings.count(r)} {word.text.lower()}" for r, word in READINGS.items() if r in readings]
    return f"Of {count(len(readings))} {sentences.plural(len(readings), what)}: {', '.join(said)}."


def _side(name: str, side: ComparedAudit) -> View:
    return {
        "name": name,
        "target": side.target,
        "fingerprint": side.fingerprint,
        "run": side.run,
        "finished": moment(side.finished),
    }


def _probe(index: int, probe: ProbeComparison) -> View:
    axes: dict[str, charts.Axis] = {}
    for change in probe.changes:
        name = _name(change)
        same = [c for c in probe.changes if _name(c) == name]
        axes.setdefault(name, _axis(same))
    return {
        "anchor": anchor(index),
        "id": probe.id,
        "title": probe.title,
        "why": probe.why,
        "changes": [_change(c, axes[_name(c)]) for c in probe.changes if not c.slice],
        "slices": [_change(c, axes[_name(c)]) for c in probe.changes if c.slice],
        "cases": [_case(case) for case in probe.cases],
    }


def _name(change: Change) -> str:
    return change.metric.partition("[")[0]


def _axis(changes: list[Change]) -> charts.Axis:
    """Return an axis that contains all differences, with zero in the middle."""
    values = [abs(v) for c in changes for v in (c.difference, c.low, c.high) if v is not None]
    end = charts.axis_for(values, "", whole=False).end
    return charts.Axis(-end, end, changes[0].unit)


def _change(change: Change, axis: charts.Axis) -> View:
    unit = change.unit
    decimals = places(change.low, change.high, unit)
    interval = None
    if change.low is not None and change.high is not None:
        ends = (scaled(end, unit, decimals, signed=True) for end in (change.low, change.high))
        interval = " to ".join(ends)
    difference = scaled(change.difference, unit, decimals, signed=True)
    points = "percentage points" if unit == "fraction" else unit
    label = f"{difference} {points}, interval {interval or 'unknown'}"
    figure = (change.difference, change.low, change.high)
    return {
        "metric": change.metric,
        "title": (change.title or _name(change).partition(".")[2].replace("_", " ")).capitalize(),
        "groups": list(change.slice.items()),
        "reading": READINGS[change.reading],
        "baseline": quantity(change.baseline, unit, decimals),
        "candidate": quantity(change.candidate, unit, decimals),
        "difference": difference,
        "points": points,
        "interval": interval,
        "why": change.why,
        "ideal": compact(change.ideal, unit),
        "p": number(change.adjusted, 4) if change.adjusted >= 0.0001 else "below 0.0001",
        "test": TESTS[change.test],
        "effect": _effect(change),
        "cases": _cases(change),
        "bar": charts.bar(axis, label, figure, ideal=0.0),
    }


def _effect(change: Change) -> str:
    if change.effect is None or change.effect_size is None:
        return ""
    return f"{EFFECTS[change.effect]} {number(change.effect_size, 2)}"


def _cases(change: Change) -> str:
    clusters = f"{count(change.clusters)} clusters"
    if change.rose is None or change.fell is None:
        return f"{count(change.n)} cases; {clusters}"
    return f"{count(change.rose)} of {count(change.n)} cases rose, {count(change.fell)} fell; {clusters}"


def _case(case: ChangedCase) -> View:
    return {
        "case": case.case,
        "metric": case.metric,
        "slices": list(case.slices.items()),
        "baseline": short(case.baseline),
        "candidate": short(case.candidate),
        "sides": [
            {"name": name, "exchanges": _exchanges(evidence)}
            for name, evidence in (
                ("baseline", case.baseline_evidence),
                ("candidate", case.candidate_evidence),
            )
        ],
    }


def _exchanges(evidence: Evidence | None) -> list[View]:
    return exchange_views(evidence.exchanges) if evidence else []
