"""A probe's result as the HTML template shows it: every number is computed and written out here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gptaudit.records import Attribution, Evidence, EvidenceItem, Exchange, Metric, ProbeResult
from gptaudit.text import shorten

from . import calibration_reading as words
from . import charts, reading
from .numbers import count, number, short, short_places

LONGEST_TEXT = 2000
"""Characters of a prompt or an output that are shown; the whole is in the store."""

MOST_ROWS = 60
"""Groups of all tables of a probe that are shown at once; the tables of more are folded."""

WHITE_SPACE = str.maketrans({" ": "\N{MIDDLE DOT}", "\n": "↵", "\t": "→"})
"""How white space in a token is shown, where it decides what the token is."""

View = dict[str, Any]


def anchor(index: int) -> str:
    """Name a probe's section for links within the page."""
    return f"probe-{index + 1}"


def probe_view(index: int, probe: ProbeResult) -> View:
    """Return all that the section of a probe shows."""
    whole = [m for m in probe.metrics if not m.slice]
    slices = slice_views(probe)
    return {
        "anchor": anchor(index),
        "id": probe.id,
        "title": probe.title,
        "suite": probe.suite,
        "version": probe.version,
        "goal": probe.goal,
        "status": reading.STATUSES[probe.status],
        "reason": probe.reason,
        "coverage": reading.coverage_text(probe.scored, probe.cases) if probe.cases else "",
        "unscored": [(reason, count(many)) for reason, many in probe.unscored.items()],
        "method": plain_pairs(probe.method),
        "data": probe.data,
        "metrics": [metric_view(probe, metric) for metric in whole],
        "calibrated": probe.calibration is not None,
        "slices": slices,
        "folds_slices": sum(len(table["rows"]) for table in slices) > MOST_ROWS,
        "evidence": [evidence_view(item) for item in probe.evidence],
        "opens": next((i for i, item in enumerate(probe.evidence) if item.evidence.attribution), None),
    }


def metric_view(probe: ProbeResult, metric: Metric) -> View:
    """Return a metric's figures, drawing and reading."""
    return {
        "name": f"{probe.id}.{metric.name}",
        "title": reading.metric_title(metric),
        "value": reading.value_text(metric),
        "exact": None if metric.value is None else repr(metric.value),
        "level": reading.level_text(metric.level),
        "interval": reading.interval_text(metric.low, metric.high, metric.unit),
        "method": _method(metric),
        "ideal": reading.ideal_text(metric),
        "direction": {"lower": "lower is better", "higher": "higher is better", "target": "at the ideal"}[
            metric.direction
        ],
        "unit": metric.unit,
        "n": count(metric.n),
        "clusters": count(metric.clusters),
        "reading": reading.metric_reading(metric),
        "calibration": [words.beside_figure(f) for f in probe.calibration or () if f.metric == metric.name],
        "bar": metric_bar(metric, charts.axis_of([m for m in probe.metrics if m.name == metric.name])),
    }


def _method(metric: Metric) -> str:
    if not metric.formula:
        return metric.interval
    return f"{metric.interval} of {metric.formula}{', each cluster alike' if metric.macro else ''}"


def metric_bar(metric: Metric, axis: charts.Axis) -> charts.Bar:
    """Draw a metric on an axis."""
    interval = reading.interval_text(metric.low, metric.high, metric.unit)
    label = (
        f"{reading.value_text(metric)}, {reading.level_text(metric.level)} interval {interval or 'unknown'}, "
    )
    label += f"ideal {reading.ideal_text(metric)}"
    return charts.bar(axis, label, (metric.value, metric.low, metric.high), ideal=metric.ideal)


def slice_views(probe: ProbeResult) -> list[View]:
    """Return one table for each metric and axis, its groups in the order of the results."""
    tables: dict[tuple[str, str], list[Metric]] = {}
    for metric in probe.metrics:
        if metric.slice:
            tables.setdefault((metric.name, ", ".join(metric.slice)), []).append(metric)
    return [_slice_table(probe, name, axis, metrics) for (name, axis), metrics in tables.items()]


def _slice_table(probe: ProbeResult, name: str, axis: str, metrics: list[Metric]) -> View:
    scale = charts.axis_of([m for m in probe.metrics if m.name == name])
    return {
        "title": reading.metric_title(metrics[0]),
        "axis": axis,
        "reading": reading.slices_reading(metrics),
        "rows": [
            {
                "group": reading.slice_text(m),
                "value": reading.value_text(m),
                "interval": reading.interval_text(m.low, m.high, m.unit),
                "why": m.why,
                "n": count(m.n),
                "clusters": count(m.clusters),
                "bar": metric_bar(m, scale),
            }
            for m in metrics
        ],
    }


def evidence_view(item: EvidenceItem) -> View:
    """Return a case as a reader sees it."""
    evidence: Evidence = item.evidence
    attribution = evidence.attribution
    return {
        "case": item.case,
        "picked": item.picked,
        "slices": list(item.slices.items()),
        "values": _scores(item.values),
        "note": shorten(evidence.note, LONGEST_TEXT)[0],
        "exchanges": exchange_views(evidence.exchanges),
        "heatmap": None if attribution is None else heatmap(attribution),
    }


def heatmap(attribution: Attribution) -> View:
    """Return the tokens with their signed scores and colours, and how far the scores can be trusted."""
    peak = max((abs(score) for score in attribution.scores), default=0.0)
    decimals = max(1, short_places(peak))
    pairs = zip(attribution.tokens, attribution.scores, strict=True)
    return {
        "tokens": [
            {
                "text": token.translate(WHITE_SPACE),
                "score": number(score, decimals, signed=True),
                "colour": charts.heat(score, peak),
            }
            for token, score in pairs
        ],
        "contrast": short(attribution.contrast, signed=True),
        "baseline_contrast": short(attribution.baseline_contrast, signed=True),
        "total": short(sum(attribution.scores), signed=True),
        "delta": short(attribution.delta, signed=True),
        "converged": attribution.converged,
        "steps": count(attribution.steps),
        "baseline": attribution.baseline,
        "method": attribution.method,
    }


def plain_pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write each value of a mapping as text."""
    return [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]


def exchange_views(exchanges: Sequence[Exchange]) -> list[View]:
    """Return the exchanges; a prompt that is the one before it again is left out."""
    before = [None, *(exchange.prompt for exchange in exchanges)]
    return [
        {
            "label": exchange.label,
            "prompt": None if exchange.prompt == previous else _text(exchange.prompt),
            "output": _text(exchange.output),
            "scores": _scores(exchange.scores),
        }
        for exchange, previous in zip(exchanges, before, strict=False)
    ]


def _scores(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, short(score)) for name, score in scores.items()]


def _text(text: str) -> View:
    shown, omitted = shorten(text, LONGEST_TEXT)
    return {"shown": shown, "omitted": count(omitted) if omitted else None}
