"""Whether the auditor can be trusted: its calibration, its scorers, and planted flaws against measured ones."""

from __future__ import annotations

from gptaudit.gate.numbers import count, interval_text, level_text, quantity
from gptaudit.language import recorded, tr
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
        "calibrated": (count(len(known)), count(len(measured))),
        "figures": [
            {"anchor": anchor(i), "probe": recorded(probe.title), **_figure(figure)}
            for i, probe in known
            for figure in probe.calibration or ()
        ],
        "scorers": list(scorers),
        "planted": [_planted(result, flaw) for flaw in result.target.planted],
    }


def _figure(figure: CalibratedFigure) -> View:
    return {
        "metric": f"{recorded(figure.metric.replace('_', ' '))}{words.where(figure)}",
        "shape": words.shape_text(figure.shape),
        "finds": words.found_text(figure),
        "alarms": words.alarm_text(figure.false_alarms),
        "smallest": words.smallest_text(figure) or tr("not known"),
    }


def _planted(result: AuditResult, flaw: PlantedFlaw) -> View:
    """Return the view of a planted flaw, with the measured value."""
    metric = result.metric(flaw.metric)
    unit = metric.unit if metric else ""
    found: View = {"measured": tr("not measured"), "interval": None, "agrees": None, "why": ""}
    if metric is not None:
        interval = interval_text(metric.low, metric.high, metric.unit)
        found |= {"measured": sentences.value_text(metric), "interval": interval}
        if metric.low is not None and metric.high is not None:
            found["agrees"] = metric.low <= flaw.learned <= metric.high
            found["why"] = _why_missed(metric, flaw.learned)
    return {
        "flaw": recorded(flaw.flaw),
        "dose": quantity(flaw.dose, "", 2),
        "metric": flaw.metric,
        "planted": quantity(flaw.planted, unit, 1 if unit == "fraction" else 3),
        "learned": quantity(flaw.learned, unit, 1 if unit == "fraction" else 3),
        **found,
    }


def _why_missed(metric: Metric, learned: float) -> str:
    """Say why the interval of a figure may miss what a model learned."""
    if metric.rated is None:
        return tr(", as {level} of intervals do by chance", level=level_text(1 - metric.level))
    corrected = metric.corrected
    why = tr(
        ". The figure counts what the scorer of {scorer} finds, and the scorer errs",
        scorer=metric.rated.scorer,
    )
    if corrected is None or corrected.low is None or corrected.high is None:
        return why
    return why + tr(
        ". Corrected for its errors, counted on other texts, it is {interval}, which contains the learned size"
        if corrected.low <= learned <= corrected.high
        else ". Corrected for its errors, counted on other texts, it is {interval}, which misses it too",
        interval=interval_text(corrected.low, corrected.high, metric.unit),
    )
