"""Whether the auditor can be trusted: its calibration, its scorers, and planted flaws against measured ones."""

from __future__ import annotations

from gptaudit.gate.numbers import count, interval_text, level_text, quantity
from gptaudit.records import AuditResult, CalibratedFigure, Metric, PlantedFlaw

from . import calibration_sentences as words
from . import scorer_sentences, sentences
from .probe_view import View, anchor


def trust_view(result: AuditResult) -> View:
    """Return the view of the section."""
    measured = [(i, probe) for i, probe in enumerate(result.probes) if probe.status == "scored"]
    known = [(i, probe) for i, probe in measured if probe.calibration is not None]
    scorers = dict.fromkeys(
        text
        for _, p in measured
        for m in p.metrics
        if not m.slice and (text := scorer_sentences.of_scorer(m))
    )
    return {
        "calibrated": f"{count(len(known))} of the {count(len(measured))} probes measured",
        "not_calibrated": words.NOT_CALIBRATED,
        "figures": [
            {"anchor": anchor(i), "probe": probe.title, **_figure(figure)}
            for i, probe in known
            for figure in probe.calibration or ()
        ],
        "scorers": list(scorers),
        "planted": [_planted(result, flaw) for flaw in result.target.planted],
    }


def _figure(figure: CalibratedFigure) -> View:
    return {
        "metric": f"{figure.metric.replace('_', ' ')}{words.where(figure)}",
        "finds": words.found_text(figure),
        "alarms": words.alarm_text(figure.false_alarms),
        "smallest": words.smallest_text(figure) or "not known",
    }


def _planted(result: AuditResult, flaw: PlantedFlaw) -> View:
    """Return the view of a planted flaw, with the measured value."""
    metric = result.metric(flaw.metric)
    unit = metric.unit if metric else ""
    found: View = {"measured": "not measured", "interval": None, "agrees": None, "why": ""}
    if metric is not None:
        interval = interval_text(metric.low, metric.high, metric.unit)
        found |= {"measured": sentences.value_text(metric), "interval": interval}
        if metric.low is not None and metric.high is not None:
            found["agrees"] = metric.low <= flaw.learned <= metric.high
            found["why"] = _why_missed(metric, flaw.learned)
    return {
        "flaw": flaw.flaw,
        "dose": quantity(flaw.dose, "", 2),
        "metric": flaw.metric,
        "planted": quantity(flaw.planted, unit, 1 if unit == "fraction" else 3),
        "learned": quantity(flaw.learned, unit, 1 if unit == "fraction" else 3),
        **found,
    }


def _why_missed(metric: Metric, learned: float) -> str:
    """Say why the interval of a figure may miss what a model learned."""
    if metric.rated is None:
        return f", as {level_text(1 - metric.level)} of intervals do by chance"
    corrected = metric.corrected
    why = f": it is of what the scorer of {metric.rated.scorer} finds, and the scorer errs"
    if corrected is None or corrected.low is None or corrected.high is None:
        return why
    held = "contains" if corrected.low <= learned <= corrected.high else "misses"
    interval = interval_text(corrected.low, corrected.high, metric.unit)
    return f"{why}. Corrected for its errors it is {interval}, which {held} the learned size"
