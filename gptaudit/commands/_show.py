"""Terminal output of results, verdicts and plugin faults."""

from __future__ import annotations

import math
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.commands._say import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gptaudit.plugins import Plugins
    from gptaudit.records import AuditResult, GateResult, LabelledRate, Metric, PluginFault, ProbeResult

COLOURS = {"pass": "green", "fail": "red", "inconclusive": "yellow", "incomplete": "yellow"}


def show_result(result: AuditResult, folder: Path, plugins: Plugins) -> None:
    """Print every probe's figures, the verdict, what plugins add, and the path of the report."""
    from gptaudit.gate.decide import shortfall
    from gptaudit.run.faults import Faults

    for probe in result.probes:
        _show_probe(probe)
    if result.gate is not None:
        show_gate(result.gate)
    elif result.target.doubt:
        say("\nin doubt: ", fg=COLOURS["incomplete"], nl=False)
        say(result.target.doubt)
    if result.gate is None and (short := shortfall(result)):
        say("\nincomplete: ", fg=COLOURS["incomplete"], nl=False)
        say(f"{short}; nothing may be concluded there")
    faults = Faults(plugins, folder)
    for text in faults.observe("gptaudit_terminal_summary", _require_text, result=result):
        say(text)
    say(f"\nReport: {folder / 'report.html'}")
    show_faults((*result.run.faults, *faults.found), folder)


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


def show_gate(gate: GateResult) -> None:
    """Print every rule with its verdict and reason, then the verdict of all."""
    say()
    for rule in gate.rules:
        say(f"{rule.verdict:<12} ", fg=COLOURS[rule.verdict], nl=False)
        say(f"{rule.rule}: {rule.why}")
    limited = f" ({gate.limited})" if gate.limited else ""
    say(f"\nVerdict: {gate.verdict}{limited}", fg=COLOURS[gate.verdict], bold=True)


def _show_probe(probe: ProbeResult) -> None:
    say(f"\n{probe.id}", bold=True, nl=False)
    cases = f", {probe.scored} of {probe.cases} cases" if probe.cases else ""
    sample = f", a sample of {probe.drawn_from}" if probe.drawn_from is not None else ""
    say(f"  {probe.status}{cases}{sample}")
    if probe.reason:
        say(f"  {probe.reason}")
    if probe.data and probe.data.altered:
        say(f"  data not as published: {probe.data.altered}")
    for metric in probe.metrics:
        if not metric.slice:
            say(f"  {metric.name:<26} {_figure(metric)}")


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return f"unknown: {metric.why}"
    value = _number(metric.value)
    if metric.low is None or metric.high is None:
        return f"{value}  (no interval: {metric.why}; ideal {metric.ideal:g})"
    interval = f"{metric.level:.0%} interval {_number(metric.low)} to {_number(metric.high)}"
    return f"{value}  ({interval}; ideal {metric.ideal:g}){_corrected(metric)}{_labelled(metric)}{_agreed(metric)}"


def _corrected(metric: Metric) -> str:
    """Return what is left of a share once its scorer's errors are corrected for."""
    found = metric.corrected
    if found is None:
        return ""
    if found.value is None or found.low is None or found.high is None:
        return "; the scorer cannot tell"
    ends = f"{_number(found.low)} to {_number(found.high)}"
    return f"; corrected for the scorer's errors {_number(found.value)} ({ends})"


def _labelled(metric: Metric) -> str:
    return f"; {by_labels(metric.labelled)}" if metric.labelled else ""


def _agreed(metric: Metric) -> str:
    """Say how far a second scorer agrees."""
    found = metric.agreement
    if found is None:
        return ""
    disputed = f"{found.second} disputes {found.first_only + found.second_only} of {found.texts} texts"
    return f"; {disputed}" if found.kappa is None else f"; {disputed}, kappa {_number(found.kappa)}"


def by_labels(found: LabelledRate) -> str:
    """Say what a share is by a person's labels."""
    who = f"by {found.labels} labels"
    if found.value is None or found.low is None or found.high is None:
        return f"{who} unknown: {found.why}"
    interval = f"{found.level:.0%} interval {_number(found.low)} to {_number(found.high)}"
    return f"{who} {_number(found.value)} ({interval})"


def _number(value: float) -> str:
    """Return a figure with three decimals, or with two significant digits if it is below 0.001."""
    small = value != 0 and abs(value) < 0.001 and not math.isinf(value)
    return f"{value:.2g}" if small else f"{value:.3f}"
