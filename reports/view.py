"""View of an audit's result for the HTML templates, with every number computed and formatted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence

from gptaudit.gate.numbers import count, duration, moment, unit_of_difference
from gptaudit.language import later, recorded, tr
from gptaudit.probe import CAPABILITIES
from gptaudit.protocols.reporter import ReportSection
from gptaudit.records import AuditResult, EvidenceItem, Metric, RuleResult, TargetInfo
from gptaudit.text import shorten

from . import charts
from .attacks import attack_tables
from .calibration_sentences import NOT_CALIBRATED
from .coverage import coverage_view
from .decision import VERDICTS, decision, identity_sentence
from .findings import KINDS, Finding, allowed_text, findings, others, worst_group
from .forest import forests
from .probe_view import View, anchor, case_anchor, plain_pairs, probe_view
from .trust import trust_view

NOT_GIVEN: tuple[object, ...] = (None, "", {})
"""Values of the options that a user left alone."""

QUOTED = 2
"""Examples that a finding quotes."""

LONGEST_QUOTE = 240
"""Maximum number of characters of a quoted text."""

OPENED = 6
"""Findings of the first class that are shown unfolded."""


STATUSES = {
    "complete": later("complete"),
    "partial": later("partial"),
    "interrupted": later("interrupted"),
}
"""How a run ended -> the same as a message."""


def page(result: AuditResult, sections: Sequence[ReportSection]) -> View:
    """Return the view of the whole page."""
    return {
        "decision": decision(result),
        "facts": facts(result),
        "rules": [rule_view(result, rule) for rule in result.gate.rules] if result.gate else [],
        "attacks": attack_tables(result),
        "findings": finding_classes(result),
        "coverage": coverage_view(result),
        "forests": forests(result),
        "probes": [probe_view(i, p) for i, p in enumerate(result.probes) if p.status != "skipped"],
        "sections": sections,
        "trust": trust_view(result),
        "baseline": baseline_view(result),
        "target": target_view(result.target),
        "run": run_view(result),
        "not_calibrated": tr(NOT_CALIBRATED),
    }


def facts(result: AuditResult) -> list[tuple[str, str]]:
    """Return the facts beside the verdict, as (name, value)."""
    scored = sum(probe.status == "scored" for probe in result.probes)
    cases = sum(probe.cases for probe in result.probes)
    return [
        (tr("Model"), result.target.spec),
        (tr("Identity"), tr("verified by content") if result.target.verified else tr("cannot be verified")),
        (tr("Probes scored"), tr("{n} of {all}", n=scored, all=len(result.probes))),
        (
            tr("Cases scored"),
            tr("{n} of {all}", n=count(sum(probe.scored for probe in result.probes)), all=count(cases)),
        ),
        (tr("Finished"), moment(result.run.finished)),
    ]


def rule_view(result: AuditResult, rule: RuleResult) -> View:
    """Return the view of a rule in the table of the decision."""
    metric = result.metric(rule.metric)
    return {
        "words": recorded(rule.rule),
        "title": recorded(metric.title) if metric else "",
        "verdict": VERDICTS[rule.verdict],
        "why": recorded(rule.why),
    }


def finding_classes(result: AuditResult) -> list[View]:
    """Return the findings by class, worst first; a class without findings is left out."""
    found = findings(result)
    return [
        {
            "kind": kind,
            "title": tr(title),
            "findings": [_finding(f, place) for place, f in enumerate(of_kind)],
        }
        for kind, title in KINDS.items()
        if (of_kind := [finding for finding in found if finding.kind == kind])
    ]


def _finding(finding: Finding, place: int) -> View:
    metric, rule = finding.metric, finding.rule
    return {
        "probe": finding.probe.id,
        "title": recorded(finding.probe.title),
        "sentence": finding.sentence,
        "open": finding.kind == "deviates" and place < OPENED,
        "verdict": VERDICTS[rule.verdict] if rule else None,
        "bar": _bar(metric, rule) if metric else None,
        "limit": allowed_text(rule, metric) if rule and metric else "",
        "group": worst_group(finding),
        "others": tr(", ").join(others(finding)),
        "quotes": list(_quotes(finding)),
        "anchor": anchor(finding.index),
        "cases": count(finding.probe.cases),
    }


def _bar(metric: Metric, rule: RuleResult | None) -> charts.Bar:
    """Draw a figure as its rule sees it, or as it was estimated, with the ideal and what is allowed."""
    value, low, high = metric.estimate if rule is None else (rule.value, rule.low, rule.high)
    limits = (None, None) if rule is None else (rule.least, rule.greatest)
    increase = rule is not None and rule.increase
    unit = unit_of_difference(metric.unit) if increase else metric.unit
    ideal = 0.0 if increase else metric.ideal
    known = [v for v in (value, low, high, ideal, *limits) if v is not None]
    whole = metric.direction != "lower" and not increase
    label = tr(
        "The interval against the ideal, and what is allowed; in words above"
        if rule
        else "The interval against the ideal; in words above"
    )
    return charts.bar(
        charts.axis_for(known, unit, whole=whole), label, (value, low, high), ideal=ideal, allowed=limits
    )


def _quotes(finding: Finding) -> Iterator[View]:
    """Yield the first examples of a probe: two texts that are compared, or a prompt with the worst answer."""
    items = [(i, item) for i, item in enumerate(finding.probe.evidence) if _quotable(item)]
    for position, item in items[:QUOTED]:
        exchanges = item.evidence.exchanges
        answers = [e for e in exchanges if e.output]
        if answers:
            worst = max(answers, key=lambda e: max(e.scores.values(), default=0.0))
            texts = [(tr("prompt"), worst.prompt), (tr("model"), worst.output)]
        else:
            texts = [(recorded(e.label), e.prompt) for e in exchanges[:2]]
        yield {
            "case": item.case,
            "anchor": case_anchor(finding.index, position),
            "texts": [(who, _shortened(text)) for who, text in texts],
            "wrote": bool(answers),
        }


def _quotable(item: EvidenceItem) -> bool:
    return bool(item.evidence.exchanges)


def _shortened(text: str) -> str:
    shown, omitted = shorten(text, LONGEST_QUOTE)
    return f"{shown}…" if omitted else shown


def baseline_view(result: AuditResult) -> View | None:
    """Return the view of the rules that compare with a baseline; None without any."""
    gate = result.gate
    compared = [rule for rule in gate.rules if rule.increase] if gate else []
    if gate is None or not compared:
        return None
    return {
        "name": result.run.arguments.baseline or tr("unknown"),
        "sha256": gate.baseline or tr("unknown"),
        "rules": [rule_view(result, rule) for rule in compared],
    }


def target_view(target: TargetInfo) -> View:
    """Return the view of the audited model."""
    return {
        "spec": target.spec,
        "backend": target.backend,
        "fingerprint": target.fingerprint,
        "verified": target.verified,
        "known_by": identity_sentence(target),
        "parameters": None if target.parameters is None else count(target.parameters),
        "capabilities": [(name, recorded(CAPABILITIES.get(name, name))) for name in target.capabilities],
        "options": plain_pairs(
            {name: value for name, value in target.options.items() if value not in NOT_GIVEN}
        ),
        "details": plain_pairs(target.details),
    }


def run_view(result: AuditResult) -> View:
    """Return the view of the run: command, versions, environment, cost, data and policy."""
    run, cost = result.run, result.run.cost
    tokens = [(tr("input tokens"), cost.input_tokens), (tr("output tokens"), cost.output_tokens)]
    return {
        "id": run.id,
        "started": moment(run.started),
        "finished": moment(run.finished),
        "seed": run.seed,
        "command": shlex.join(run.command),
        "status": tr(STATUSES[run.status]),
        "versions": list(run.versions.items()),
        "plugins": run.plugins,
        "environment": plain_pairs(run.environment),
        "cost": [
            (tr("requests"), count(cost.requests)),
            (tr("answered from the store"), count(cost.requests_cached)),
            *((name, tr("unknown") if many is None else count(many)) for name, many in tokens),
            (tr("time"), duration(cost.seconds)),
        ],
        "data": [
            (recorded(probe.title), probe.data, count(probe.data.rows))
            for probe in result.probes
            if probe.data
        ],
        "policy": json.dumps(result.gate.policy, indent=2) if result.gate else None,
        "schema": result.schema,
    }
