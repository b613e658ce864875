"""`summary.md`: the verdict, the rules and the probes in GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gptaudit.records import AuditResult, Metric, ProbeResult, RuleResult
from gptaudit.text import shorten, visible

from . import calibration_reading, reading

LONGEST_CELL = 300
"""Characters of a text that a table shows."""

SYMBOLS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "incomplete": "⛔", "none": "▫️"}

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[\\`*_{}\[\]!|~$]")
_REFERENCE = re.compile(r"[@#]|(?<=www)\.|:(?=//)", re.IGNORECASE)


def render(result: AuditResult) -> str:
    """Write the summary. Text from the model or the user is escaped, and links to nobody and nothing."""
    word = reading.verdict(result)
    lines = [
        f"## {SYMBOLS[word.key]} gptaudit: {word.text}",
        "",
        f"{word.meaning} {escape(reading.verdict_sentence(result))}",
        "",
        f"Target: {escape(result.target.spec)}, fingerprint {escape(result.target.fingerprint)}"
        + ("" if result.target.verified else " (cannot be verified)"),
    ]
    if warning := reading.status_warning(result):
        lines += ["", f"**Not a whole run.** {warning}"]
    if result.gate is not None:
        lines += ["", "### Rules", ""]
        lines += table(("Verdict", "Rule", "Value", "Interval", "Why"), map(_rule, result.gate.rules))
    lines += ["", "### Probes", ""]
    rows = (row for probe in result.probes for row in _probe(probe))
    lines += table(("Probe", "Scored", "Figure", "Value", "Interval", "Ideal", "Calibration"), rows)
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Make one line of plain text that Markdown, HTML, mentions, issue references and bare links leave alone."""
    shown, omitted = shorten(text, LONGEST_CELL)
    line = " ".join(visible(shown).split()) + ("…" if omitted else "")
    line = _MARKUP.sub(lambda found: "\\" + found[0], line)
    line = re.sub("[&<>]", lambda found: _HTML[found[0]], line)
    # an empty comment after @ or # keeps GitHub from making a mention or a reference of it
    return _REFERENCE.sub(lambda f: f[0] + "<!-- -->" if f[0] in "@#" else "\\" + f[0], line)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Write a table; the cells of `rows` are plain text."""
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(map(escape, row))} |"


def _rule(rule: RuleResult) -> tuple[str, ...]:
    interval = "" if rule.low is None or rule.high is None else f"{rule.low:.4g} to {rule.high:.4g}"
    value = "" if rule.value is None else f"{rule.value:.4g}"
    word = reading.VERDICTS[rule.verdict]
    return f"{SYMBOLS[word.key]} {word.text}", rule.rule, value, interval, rule.why


def _probe(probe: ProbeResult) -> Iterator[tuple[str, ...]]:
    if probe.status != "scored":
        why = f"{reading.STATUSES[probe.status].text}: {probe.reason or 'no reason was recorded'}"
        yield probe.id, why, "", "", "", "", ""
    for metric in probe.metrics:
        if not metric.slice:
            scored = reading.coverage_text(probe.scored, probe.cases)
            yield probe.id, scored, *_figure(metric), _calibration(probe, metric)


def _calibration(probe: ProbeResult, metric: Metric) -> str:
    known = [figure for figure in probe.calibration or () if figure.metric == metric.name]
    return "; ".join(map(calibration_reading.in_brief, known)) or "not calibrated"


def _figure(metric: Metric) -> tuple[str, ...]:
    interval = reading.interval_text(metric.low, metric.high, metric.unit) or metric.why or ""
    return reading.metric_title(metric), reading.value_text(metric), interval, reading.ideal_text(metric)
