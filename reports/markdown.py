"""`summary.md`: verdict, rules and probes in GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gptaudit.records import AuditResult, Metric, ProbeResult, RuleResult
from gptaudit.text import shorten, visible

from . import calibration_sentences, sentences

LONGEST_CELL = 300
"""Maximum number of characters of a text in a table."""

SYMBOLS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "incomplete": "⛔", "none": "▫️"}

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[\\`*_{}\[\]!|~$]")
_REFERENCE = re.compile(r"[@#]|(?<=www)\.|:(?=//)", re.IGNORECASE)


def render(result: AuditResult) -> str:
    """Return the summary; text from the model or the user is escaped and makes no links or mentions."""
    word = sentences.verdict(result)
    lines = [
        f"## {SYMBOLS[word.key]} gptaudit: {word.text}",
        "",
        f"{word.meaning} {escape(sentences.verdict_sentence(result))}",
        "",
        f"Target: {escape(result.target.spec)}, fingerprint {escape(result.target.fingerprint)}"
        + ("" if result.target.verified else " (cannot be verified)"),
    ]
    if warning := sentences.status_warning(result):
        lines += ["", f"**Unfinished run.** {escape(warning)}"]
    if result.gate is not None:
        lines += ["", "### Rules", ""]
        lines += table(("Verdict", "Rule", "Value", "Interval", "Why"), map(_rule, result.gate.rules))
    lines += ["", "### Probes", ""]
    rows = (row for probe in result.probes for row in _probe(probe))
    lines += table(("Probe", "Scored", "Figure", "Value", "Interval", "Ideal", "Calibration"), rows)
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return a text as one line in which Markdown, HTML, mentions, issue references and bare links have no effect."""
    shown, omitted = shorten(text, LONGEST_CELL)
    line = " ".join(visible(shown).split()) + ("…" if omitted else "")
    line = _MARKUP.sub(lambda found: "\\" + found[0], line)
    line = re.sub("[&<>]", lambda found: _HTML[found[0]], line)
    # An empty comment after @ or # prevents GitHub from turning it into a mention or a reference.
    return _REFERENCE.sub(lambda f: f[0] + "<!-- -->" if f[0] in "@#" else "\\" + f[0], line)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table; the cells of `rows` are plain text."""
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(map(escape, row))} |"


def _rule(rule: RuleResult) -> tuple[str, ...]:
    interval = "" if rule.low is None or rule.high is None else f"{rule.low:.4g} to {rule.high:.4g}"
    value = "" if rule.value is None else f"{rule.value:.4g}"
    word = sentences.VERDICTS[rule.verdict]
    return f"{SYMBOLS[word.key]} {word.text}", rule.rule, value, interval, rule.why


def _probe(probe: ProbeResult) -> Iterator[tuple[str, ...]]:
    if probe.status != "scored":
        why = f"{sentences.STATUSES[probe.status].text}: {probe.reason or 'no reason was recorded'}"
        yield probe.id, why, "", "", "", "", ""
    for metric in probe.metrics:
        if not metric.slice:
            scored = sentences.coverage_text(probe)
            yield probe.id, scored, *_figure(metric), _calibration(probe, metric)


def _calibration(probe: ProbeResult, metric: Metric) -> str:
    known = [figure for figure in probe.calibration or () if figure.metric == metric.name]
    return "; ".join(map(calibration_sentences.in_brief, known)) or "not calibrated"


def _figure(metric: Metric) -> tuple[str, ...]:
    interval = sentences.interval_text(metric.low, metric.high, metric.unit) or metric.why or ""
    return (
        sentences.metric_title(metric),
        sentences.value_text(metric),
        interval,
        sentences.ideal_text(metric),
    )
