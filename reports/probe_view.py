"""View of a probe's result for the HTML templates, with every number computed and formatted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from gptaudit.gate.numbers import count, interval_text, level_text, number, short, short_places
from gptaudit.language import later, recorded, tr
from gptaudit.records import Attribution, Evidence, EvidenceItem, Exchange, Metric, ProbeResult
from gptaudit.text import shorten

from . import calibration_sentences as words
from . import charts, scorer_sentences, sentences
from .sentences import UNBALANCED, unbalanced

LONGEST_TEXT = 2000
"""Maximum number of characters of a prompt or output; the full text is in the store."""

MOST_GROUPS = 300
"""Maximum number of groups in a table; a page of ten thousand opens in no browser."""

WHITE_SPACE = str.maketrans({" ": "\N{MIDDLE DOT}", "\n": "↵", "\t": "→"})
"""White space in a token -> visible character, since it is part of the token's identity."""

DIRECTIONS = {
    "lower": later("lower is better"),
    "higher": later("higher is better"),
    "target": later("at the ideal"),
}
"""Direction of a metric -> the same as a message."""

PARTS = later(
    "Each is a mean over the cases that have the slot or the word, whose prompts differ in one slot. Of the words, "
    "those that add or take most over all cases are listed, so that one of few cases may be there by chance."
)

View = dict[str, Any]


def anchor(index: int) -> str:
    """Return the id of a probe's section, for links within the page."""
    return f"probe-{index + 1}"


def case_anchor(index: int, position: int) -> str:
    """Return the id of a piece of a probe's evidence."""
    return f"{anchor(index)}-case-{position + 1}"


def probe_view(index: int, probe: ProbeResult) -> View:
    """Return the view of a probe's section."""
    whole = [m for m in probe.metrics if not m.slice]
    return {
        "anchor": anchor(index),
        "id": probe.id,
        "title": recorded(probe.title),
        "suite": probe.suite,
        "version": probe.version,
        "goal": recorded(probe.goal),
        "tags": "; ".join(f"{public}: {', '.join(entries)}" for public, entries in probe.tags.items()),
        "status": sentences.STATUSES[probe.status],
        "reason": recorded(probe.reason) if probe.reason else None,
        "coverage": sentences.coverage_text(probe) if probe.cases else "",
        "unscored": [(recorded(reason), count(many)) for reason, many in probe.unscored.items()],
        "method": plain_pairs(probe.method),
        "data": probe.data,
        "metrics": [metric_view(probe, metric) for metric in whole],
        "calibrated": probe.calibration is not None,
        "lead": sentences.value_text(whole[0]) if whole else "",
        "groups": [
            (tr("By group"), "", slice_views(probe)),
            (tr("By slot and word"), PARTS, slice_views(replace(probe, metrics=probe.parts))),
        ],
        "evidence": [
            {"anchor": case_anchor(index, position), **evidence_view(item)}
            for position, item in enumerate(probe.evidence)
        ],
    }


def metric_view(probe: ProbeResult, metric: Metric) -> View:
    """Return the view of a metric: its figures, bar and sentences."""
    return {
        "name": f"{probe.id}.{metric.name}",
        "title": sentences.metric_title(metric),
        "value": sentences.value_text(metric),
        "exact": None if metric.value is None else repr(metric.value),
        "level": level_text(metric.level),
        "interval": interval_text(metric.low, metric.high, metric.unit),
        "method": _method(metric),
        "crossed": metric.crossed is not None,
        "ideal": sentences.ideal_text(metric),
        "direction": tr(DIRECTIONS[metric.direction]),
        "unit": recorded(metric.unit),
        "n": count(metric.n),
        "clusters": count(metric.clusters),
        "reading": sentences.metric_reading(metric),
        "scorer": scorer_sentences.beside_figure(metric),
        "calibration": [words.beside_figure(f) for f in probe.calibration or () if f.metric == metric.name],
        "bar": metric_bar(metric, charts.axis_of([m for m in probe.metrics if m.name == metric.name])),
    }


def _method(metric: Metric) -> str:
    if metric.auroc:
        return tr(
            "{interval} of the area under the ROC curve, within templates or blocks", interval=metric.interval
        )
    if not metric.formula:
        return metric.interval
    return tr(
        "{interval} of {formula}, each cluster alike" if metric.macro else "{interval} of {formula}",
        interval=metric.interval,
        formula=metric.formula,
    )


def metric_bar(metric: Metric, axis: charts.Axis) -> charts.Bar:
    """Return the bar of a metric on an axis."""
    interval = interval_text(metric.low, metric.high, metric.unit)
    label = tr(
        "{value}, {level} interval {interval}, ideal {ideal}",
        value=sentences.value_text(metric),
        level=level_text(metric.level),
        interval=interval or tr("unknown"),
        ideal=sentences.ideal_text(metric),
    )
    return charts.bar(axis, label, (metric.value, metric.low, metric.high), ideal=metric.ideal)


def slice_views(probe: ProbeResult) -> list[View]:
    """Return one table per metric and axis, with the groups that deviate most first."""
    tables: dict[tuple[str, str], list[Metric]] = {}
    for metric in probe.metrics:
        if metric.slice:
            tables.setdefault((metric.name, ", ".join(metric.slice)), []).append(metric)
    return [_slice_table(probe, name, axis, metrics) for (name, axis), metrics in tables.items()]


def _slice_table(probe: ProbeResult, name: str, axis: str, metrics: list[Metric]) -> View:
    scale = charts.axis_of([m for m in probe.metrics if m.name == name])
    ordered = sorted(metrics, key=lambda m: -inf if m.value is None else -abs(m.value - m.ideal))
    shown = ordered[:MOST_GROUPS]
    return {
        "title": sentences.metric_title(metrics[0]),
        "axis": axis,
        "reading": sentences.slices_reading(metrics),
        "caution": tr(UNBALANCED) if any(unbalanced(probe, axis) for axis in metrics[0].slice) else "",
        "left_out": count(len(metrics) - len(shown)) if len(metrics) > len(shown) else "",
        "rows": [
            {
                "group": sentences.slice_text(m),
                "value": sentences.value_text(m),
                "interval": interval_text(m.low, m.high, m.unit),
                "why": recorded(m.why) if m.why else None,
                "corrected": scorer_sentences.in_brief(m),
                "pooled": sentences.pooled_text(m),
                "n": count(m.n),
                "clusters": count(m.clusters),
                "bar": metric_bar(m, scale),
            }
            for m in shown
        ],
    }


def evidence_view(item: EvidenceItem) -> View:
    """Return the view of a case."""
    evidence: Evidence = item.evidence
    attribution = evidence.attribution
    return {
        "case": item.case,
        "picked": recorded(item.picked),
        "slices": list(item.slices.items()),
        "values": _scores(item.values),
        "note": shorten(recorded(evidence.note), LONGEST_TEXT)[0],
        "exchanges": exchange_views(evidence.exchanges),
        "heatmap": None if attribution is None else heatmap(attribution),
    }


def heatmap(attribution: Attribution, unit: str = "nats", *, failed: bool = False) -> View:
    """Return the tokens with their signed scores and colours, and the convergence of the attribution.

    One that failed has no colours: its scores say nothing.
    """
    failed = failed or attribution.converged is False
    peak = max((abs(score) for score in attribution.scores), default=0.0)
    decimals = max(1, short_places(peak))
    pairs = zip(attribution.tokens, attribution.scores, strict=True)
    return {
        "tokens": [
            {
                "text": token.translate(WHITE_SPACE),
                "score": number(score, decimals, signed=True),
                "colour": charts.heat(0.0 if failed else score, peak),
            }
            for token, score in pairs
        ],
        "contrast": short(attribution.contrast, signed=True),
        "baseline_contrast": short(attribution.baseline_contrast, signed=True),
        "total": short(sum(attribution.scores), signed=True),
        "delta": short(attribution.delta, signed=True),
        "converged": attribution.converged,
        "unit": unit,
        "steps": count(attribution.steps),
        "baseline": attribution.baseline,
        "method": attribution.method,
    }


def plain_pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (key, value as text) for each item of a mapping."""
    return [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]


def exchange_views(exchanges: Sequence[Exchange]) -> list[View]:
    """Return the views of exchanges; a prompt equal to the one before it is omitted."""
    before = [None, *(exchange.prompt for exchange in exchanges)]
    return [
        {
            "label": recorded(exchange.label),
            "prompt": None if exchange.prompt == previous else _text(exchange.prompt),
            "output": _text(exchange.output),
            "scores": _scores(exchange.scores),
        }
        for exchange, previous in zip(exchanges, before, strict=False)
    ]


def _scores(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(recorded(name), short(score)) for name, score in scores.items()]


def _text(text: str) -> View:
    shown, omitted = shorten(text, LONGEST_TEXT)
    return {"shown": shown, "omitted": count(omitted) if omitted else None}
