"""Terminal output of results, verdicts and plugin faults."""

from __future__ import annotations

import reprlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.commands._say import say
from gptaudit.gate.numbers import compact, interval_text, level_text, number, places, quantity
from gptaudit.language import later, recorded, tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gptaudit.plugins import Plugins
    from gptaudit.records import (
        AuditResult,
        Correction,
        LabelledRate,
        Metric,
        PluginFault,
        ProbeResult,
        RuleResult,
    )

COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "incomplete": "yellow"}


KINDS = {
    "deviates": later("{n} beyond a limit or away from the ideal"),
    "open": later("{n} cannot tell"),
    "holds": later("{n} within the limits or without a deviation"),
    "unmeasured": later("{n} could not be measured"),
}
"""Class of findings -> how the terminal counts them."""

VERDICTS = {
    "pass": later("Verdict: pass."),
    "fail": later("Verdict: fail."),
    "inconclusive": later("Verdict: inconclusive."),
    "incomplete": later("Verdict: incomplete."),
    "none": later("No policy."),
}
"""Verdict -> how the terminal's decision begins."""

FINDINGS = 3
"""Findings beside the rules that the terminal names; the report has all."""


def show_result(result: AuditResult, folder: Path, plugins: Plugins, *, verbose: bool = False) -> None:
    """Print the decision, the findings that matter, what was skipped, what plugins add, and what to do next.

    With `verbose`, every probe with its figures and every rule come first.
    """
    from gptaudit.run.faults import Faults

    if verbose:
        for probe in result.probes:
            _show_probe(probe)
        show_gate(result)
    else:
        _show_decision(result)
    _show_findings(result)
    _show_skipped(result)
    faults = Faults(plugins, folder)
    for text in faults.observe("gptaudit_terminal_summary", _require_text, result=result):
        say(text)
    say(tr("Report: {path}", path=folder / "report.html"))
    say(tr("Next: {what}", what=_next(result, folder)))
    show_faults((*result.run.faults, *faults.found), folder)


def _show_decision(result: AuditResult) -> None:
    from gptaudit.reports.decision import decision

    made = decision(result)
    say(f"\n{tr(VERDICTS[made.word.key])} ", fg=COLOURS.get(made.word.key), bold=True, nl=False)
    say(f"{tr(made.word.meaning)} {made.reason}")
    for text in filter(None, (made.covers, made.kept)):
        say(text)
    if made.limits:
        more = len(made.limits) - 1
        said = tr("Trust is limited: {why}", why=made.limits[0])
        say(said + (tr(" (and {n} more, see the report)", n=more) if more else ""))


def _show_findings(result: AuditResult) -> None:
    """Print how many findings each class has, and the first that no rule is about: what deviates, or what failed."""
    from gptaudit.gate.decide import conclusion
    from gptaudit.reports.findings import findings

    found = findings(result)
    counts = {kind: sum(f.kind == kind for f in found) for kind in KINDS}
    told = tr("; ").join(tr(KINDS[kind], n=many) for kind, many in counts.items() if many)
    say(tr("Findings by probe: {counts}.", counts=told or tr("none")))
    matters = "unmeasured" if conclusion(result) == "incomplete" else "deviates"
    for finding in [f for f in found if f.rule is None and f.kind == matters][:FINDINGS]:
        say(f"  {recorded(finding.probe.title)}: {finding.sentence}")


def _show_skipped(result: AuditResult) -> None:
    """Print in one line for each reason how many probes were skipped."""
    from gptaudit.reports.coverage import skipped
    from gptaudit.reports.sentences import probes_text

    for reason, probes in skipped(result).items():
        named = probes[0] if len(probes) == 1 else probes_text(len(probes))
        say(tr("Skipped: {probes}: {reason}", probes=named, reason=reason))


def _next(result: AuditResult, folder: Path) -> str:
    """Say what to do next."""
    from gptaudit.gate.decide import conclusion

    where = shlex.quote(str(folder))
    return {
        "fail": tr("look at the cases: gptaudit view {folder}", folder=where),
        "inconclusive": tr(
            "how many cases would decide: gptaudit power {folder}/results.json --policy FILE", folder=where
        ),
        "incomplete": tr(
            "look at what was not scored: gptaudit evidence {folder} --outcome unscored", folder=where
        ),
        "pass": tr("let others check it: gptaudit verify {folder}", folder=where),
        None: tr("decide by a policy: gptaudit gate {folder}/results.json --policy default", folder=where),
    }[conclusion(result)]


def show_faults(faults: Sequence[PluginFault], folder: Path | None) -> None:
    """Print on standard error which plugins failed, what that cost, and where the tracebacks are."""
    for fault in faults:
        lost = {"probe": f"; {fault.probe} has no figures", "report": "; it is not written", None: ""}[
            fault.lost
        ]
        say(f"Fault: {fault}{lost}", err=True)
    if faults and folder is not None:
        say(f"Tracebacks: {folder / 'traceback.txt'}", err=True)


def _require_text(returned: object) -> None:
    if not isinstance(returned, str):
        msg = f"expected a string or None, found {reprlib.repr(returned)}"
        raise TypeError(msg)


def show_gate(result: AuditResult) -> None:
    """Print every rule with its verdict and reason, then the decision."""
    say()
    for rule in result.gate.rules if result.gate else ():
        _show_rule(rule)
    _show_decision(result)


def _show_rule(rule: RuleResult) -> None:
    from gptaudit.reports.decision import VERDICTS as WORDS

    say(f"{tr(WORDS[rule.verdict].text):<12} ", fg=COLOURS[rule.verdict], nl=False)
    say(tr("{rule}: {why}", rule=recorded(rule.rule), why=recorded(rule.why)))


def _show_probe(probe: ProbeResult) -> None:
    from gptaudit.reports.sentences import STATUSES

    told = [tr(STATUSES[probe.status].text).lower()]
    if probe.cases:
        told.append(tr("{n} of {all} cases", n=probe.scored, all=probe.cases))
    if probe.drawn_from is not None:
        told.append(tr("a sample of {n}", n=probe.drawn_from))
    say(f"\n{probe.id}", bold=True, nl=False)
    say(f"  {tr(', ').join(told)}")
    if probe.reason:
        say(f"  {recorded(probe.reason)}")
    if probe.data and probe.data.altered:
        say(f"  {tr('data not as published: {data}', data=probe.data.altered)}")
    for metric in probe.metrics:
        if not metric.slice:
            say(f"  {metric.name:<26} {_figure(metric)}")


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return tr("unknown: {why}", why=recorded(metric.why or ""))
    ideal = tr("ideal {value}", value=compact(metric.ideal, metric.unit))
    value = _value(metric, metric.unit)
    if metric.low is None or metric.high is None:
        return f"{value}  ({tr('no interval: {why}', why=recorded(metric.why or ''))}; {ideal})"
    figure = f"{value}  ({_interval(metric, metric.unit)}; {ideal})"
    return "; ".join(filter(None, (figure, _corrected(metric), _labelled(metric), _agreed(metric))))


def _corrected(metric: Metric) -> str:
    """Return what is left of a share once its scorer's errors are corrected for."""
    found = metric.corrected
    if found is None:
        return ""
    if found.value is None or found.low is None or found.high is None:
        return tr("the scorer cannot tell")
    ends = interval_text(found.low, found.high, metric.unit)
    value = _value(found, metric.unit)
    return tr("corrected for the scorer's errors {value} ({interval})", value=value, interval=ends)


def _labelled(metric: Metric) -> str:
    return by_labels(metric.labelled) if metric.labelled else ""


def _agreed(metric: Metric) -> str:
    """Say how far a second scorer agrees."""
    found = metric.agreement
    if found is None:
        return ""
    n, texts = found.first_only + found.second_only, found.texts
    disputed = tr("{scorer} disputes {n} of {texts} texts", scorer=found.second, n=n, texts=texts)
    return disputed if found.kappa is None else f"{disputed}, kappa {number(found.kappa, 2)}"


def by_labels(found: LabelledRate) -> str:
    """Say what a share is by a person's labels."""
    if found.value is None or found.low is None or found.high is None:
        return tr("by {n} labels unknown: {why}", n=found.labels, why=recorded(found.why or ""))
    interval = _interval(found, "fraction")
    value = _value(found, "fraction")
    return tr("by {n} labels {value} ({interval})", n=found.labels, value=value, interval=interval)


def _value(found: Metric | Correction | LabelledRate, unit: str) -> str:
    return quantity(found.value or 0.0, unit, places(found.low, found.high, unit))


def _interval(found: Metric | LabelledRate, unit: str) -> str:
    ends = interval_text(found.low, found.high, unit)
    return tr("{level} interval {interval}", level=level_text(found.level), interval=ends)
