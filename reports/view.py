"""View of an audit's result for the HTML templates, with every number computed and formatted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence

from gptaudit.gate.numbers import (
    count,
    duration,
    interval_text,
    level_text,
    moment,
    places,
    quantity,
    unit_of_difference,
)
from gptaudit.gate.wording import range_text
from gptaudit.probe import CAPABILITIES, with_implied
from gptaudit.protocols.reporter import ReportSection
from gptaudit.records import AuditResult, GateResult, Metric, PlantedFlaw, RuleResult, TargetInfo

from . import charts, sentences
from .calibration_sentences import NOT_CALIBRATED
from .decision import VERDICTS, decision, identity_sentence
from .probe_view import View, anchor, metric_bar, plain_pairs, probe_view

NOT_GIVEN: tuple[object, ...] = (None, "", {})
"""Values of the options that a user left alone."""


def page(result: AuditResult, sections: Sequence[ReportSection]) -> View:
    """Return the view of the whole page."""
    return {
        "decision": decision(result),
        "facts": facts(result),
        "rules": rule_views(result, result.gate) if result.gate else [],
        "glance": glance(result),
        "target": target_view(result.target),
        "planted": [planted_view(result, flaw) for flaw in result.target.planted],
        "probes": [probe_view(index, probe) for index, probe in enumerate(result.probes)],
        "gaps": list(gaps(result)),
        "run": run_view(result),
        "sections": sections,
        "not_calibrated": NOT_CALIBRATED,
    }


def facts(result: AuditResult) -> list[tuple[str, str]]:
    """Return the facts beside the verdict, as (name, value)."""
    scored = sum(probe.status == "scored" for probe in result.probes)
    cases = sum(probe.cases for probe in result.probes)
    return [
        ("Model", result.target.spec),
        ("Probes scored", f"{scored} of {len(result.probes)}"),
        ("Cases scored", f"{count(sum(probe.scored for probe in result.probes))} of {count(cases)}"),
        ("Finished", moment(result.run.finished)),
    ]


def rule_views(result: AuditResult, gate: GateResult) -> list[View]:
    """Return the view of each rule: its verdict, and its figure drawn with the allowed range."""
    return [_rule(result, rule) for rule in gate.rules]


def _rule(result: AuditResult, rule: RuleResult) -> View:
    metric = result.metric(rule.metric)
    unit = metric.unit if metric else ""
    unit = unit_of_difference(unit) if rule.increase else unit
    value = "no figure"
    if rule.value is not None:
        value = quantity(rule.value, unit, places(rule.low, rule.high, unit))
    interval = interval_text(rule.low, rule.high, unit)
    limits = (rule.least, rule.greatest)
    limit = rule.limit if limits == (None, None) else range_text(*limits, unit)
    known = [v for v in (rule.value, rule.low, rule.high, *limits) if v is not None]
    axis = charts.axis_for(known, unit, whole=None not in limits)
    label = f"{value}, interval {interval or 'unknown'}, allowed {limit}"
    return {
        "words": rule.rule,
        "metric": rule.metric,
        "title": metric.title if metric else "",
        "verdict": VERDICTS[rule.verdict],
        "value": value,
        "interval": interval,
        "limit": limit,
        "why": rule.why,
        "bar": charts.bar(axis, label, (rule.value, rule.low, rule.high), allowed=limits),
    }


def glance(result: AuditResult) -> list[View]:
    """Return one row per figure that is not a slice, and one per probe without figures."""
    rows: list[View] = []
    for index, probe in enumerate(result.probes):
        about = {"anchor": anchor(index), "probe": probe.title, "status": sentences.STATUSES[probe.status]}
        whole = [metric for metric in probe.metrics if not metric.slice]
        rows += [{**about, **_glance_figure(metric, first=i == 0)} for i, metric in enumerate(whole)]
        if not whole:
            rows.append({**about, "first": True, "metric": None, "why": probe.reason or "it has no metrics"})
    return rows


def _glance_figure(metric: Metric, *, first: bool) -> View:
    return {
        "first": first,
        "metric": sentences.metric_title(metric),
        "value": sentences.value_text(metric),
        "interval": interval_text(metric.low, metric.high, metric.unit),
        "ideal": sentences.ideal_text(metric),
        "why": metric.why,
        "bar": metric_bar(metric, charts.axis_of([metric])),
    }


def target_view(target: TargetInfo) -> View:
    """Return the view of the audited model."""
    able = with_implied(target.capabilities)
    needless = {"choose"} if "score-after-context" in able else set()  # letters stand in for likelihoods
    return {
        "spec": target.spec,
        "backend": target.backend,
        "fingerprint": target.fingerprint,
        "short_fingerprint": target.fingerprint.removeprefix("sha256:")[:12],
        "verified": target.verified,
        "known_by": identity_sentence(target),
        "doubt": target.doubt,
        "parameters": None if target.parameters is None else count(target.parameters),
        "capabilities": [(name, CAPABILITIES.get(name, name)) for name in target.capabilities],
        "lacking": [(name, what) for name, what in CAPABILITIES.items() if name not in able | needless],
        "options": plain_pairs(
            {name: value for name, value in target.options.items() if value not in NOT_GIVEN}
        ),
        "details": plain_pairs(target.details),
    }


def planted_view(result: AuditResult, flaw: PlantedFlaw) -> View:
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


def gaps(result: AuditResult) -> Iterator[tuple[str, str]]:
    """Yield (what was not measured, reason)."""
    for probe in result.probes:
        if probe.status != "scored":
            yield probe.title, f"{sentences.STATUSES[probe.status].meaning} {probe.reason or ''}".strip()
        for reason, many in probe.unscored.items():
            share = f" of {count(probe.cases)}"
            yield (
                probe.title,
                f"{count(many)}{share} {sentences.plural(probe.cases, 'case')} unscored: {reason}",
            )
        for metric in probe.metrics:
            if metric.why is not None:
                where = f" ({sentences.slice_text(metric)})" if metric.slice else ""
                what = "no figure" if metric.value is None else "no interval"
                yield probe.title, f"{sentences.metric_title(metric)}{where}: {what}, {metric.why}"
    lacking = target_view(result.target)["lacking"]
    if lacking:
        words = "; ".join(f"{what} ({name})" for name, what in lacking)
        yield "The model through this backend", f"It cannot {words}. Probes that need this are skipped."


def run_view(result: AuditResult) -> View:
    """Return the view of the run: command, versions, environment, cost, data and policy."""
    run, cost = result.run, result.run.cost
    tokens = [("input tokens", cost.input_tokens), ("output tokens", cost.output_tokens)]
    return {
        "id": run.id,
        "started": moment(run.started),
        "finished": moment(run.finished),
        "seed": run.seed,
        "command": shlex.join(run.command),
        "status": run.status,
        "versions": list(run.versions.items()),
        "plugins": run.plugins,
        "environment": plain_pairs(run.environment),
        "cost": [
            ("requests", count(cost.requests)),
            ("answered from the store", count(cost.requests_cached)),
            *((name, "unknown" if many is None else count(many)) for name, many in tokens),
            ("time", duration(cost.seconds)),
        ],
        "data": [(probe.title, probe.data, count(probe.data.rows)) for probe in result.probes if probe.data],
        "policy": json.dumps(result.gate.policy, indent=2) if result.gate else None,
        "schema": result.schema,
    }
