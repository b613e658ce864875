"""`summary.md`: verdict, rules and probes in GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gptaudit.gate.numbers import interval_text
from gptaudit.language import recorded, tr
from gptaudit.records import AuditResult, Metric, ProbeResult, RuleResult
from gptaudit.text import shorten, visible

from . import calibration_sentences, sentences
from .attacks import Row, attack_tables
from .decision import VERDICTS, decision

LONGEST_CELL = 300
"""Maximum number of characters of a text in a table."""

LONGEST_REASON = 2000
"""Maximum number of characters of a sentence about the whole audit."""

SYMBOLS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "incomplete": "⛔", "none": "▫️"}

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[\\`*_{}\[\]!|~$]")
_REFERENCE = re.compile(r"[@#]|(?<=www)\.|:(?=//)", re.IGNORECASE)


def render(result: AuditResult) -> str:
    """Return the summary; text from the model or the user is escaped and makes no links or mentions."""
    made = decision(result)
    lines = [
        f"## {SYMBOLS[made.word.key]} gptaudit: {tr(made.word.text)}",
        "",
        f"**{tr(made.word.meaning)}** {escape(made.reason, LONGEST_REASON)}",
        *(line for text in (made.covers, made.kept) if text for line in ("", escape(text, LONGEST_REASON))),
        "",
        tr(
            "Target: {target}, fingerprint {fingerprint}",
            target=escape(result.target.spec),
            fingerprint=escape(result.target.fingerprint),
        ),
    ]
    if made.limits:
        lines += ["", tr("What limits the trust in this audit:"), ""]
        lines += [f"- {escape(text, LONGEST_REASON)}" for text in made.limits]
    if result.gate is not None:
        lines += ["", f"### {tr('Rules')}", ""]
        lines += table((tr("Verdict"), tr("Rule"), tr("Why")), map(_rule, result.gate.rules))
    for attacked in attack_tables(result):
        lines += ["", f"### {tr('{title}, under attack', title=escape(attacked.title))}", ""]
        head = (
            tr("Attack"),
            *(tr("{group}: success, lift", group=escape(column)) for column in attacked.columns),
        )
        lines += table(head, (_attack(row, len(attacked.columns)) for row in attacked.rows))
        lines += [line for note in attacked.notes for line in ("", escape(note, LONGEST_REASON))]
    lines += ["", f"### {tr('Probes')}", ""]
    rows = (row for probe in result.probes for row in _probe(probe))
    head = (
        tr("Probe"),
        tr("Scored"),
        tr("Figure"),
        tr("Value"),
        tr("Interval"),
        tr("Ideal"),
        tr("Calibration"),
    )
    lines += table(head, rows)
    return "\n".join(lines) + "\n"


def escape(text: str, longest: int = LONGEST_CELL) -> str:
    """Return a text as one line in which Markdown, HTML, mentions, issue references and bare links have no effect."""
    shown, omitted = shorten(text, longest)
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
    word = VERDICTS[rule.verdict]
    return f"{SYMBOLS[word.key]} {tr(word.text)}", recorded(rule.rule), recorded(rule.why)


def _probe(probe: ProbeResult) -> Iterator[tuple[str, ...]]:
    if probe.status != "scored":
        yield probe.id, sentences.status_text(probe), "", "", "", "", ""
    for metric in probe.metrics:
        if not metric.slice:
            scored = sentences.coverage_text(probe)
            yield probe.id, scored, *_figure(metric), _calibration(probe, metric)


def _attack(row: Row, columns: int) -> tuple[str, ...]:
    cells = tuple("; ".join(filter(None, (f"{c.success} ({c.interval})", c.lift))) for c in row.cells)
    return (row.attack, *(cells or (row.why, *[""] * (columns - 1))))


def _calibration(probe: ProbeResult, metric: Metric) -> str:
    known = [figure for figure in probe.calibration or () if figure.metric == metric.name]
    return "; ".join(map(calibration_sentences.in_brief, known)) or tr("not calibrated")


def _figure(metric: Metric) -> tuple[str, ...]:
    interval = interval_text(metric.low, metric.high, metric.unit) or recorded(metric.why or "")
    return (
        sentences.metric_title(metric),
        sentences.value_text(metric),
        interval,
        sentences.ideal_text(metric),
    )
