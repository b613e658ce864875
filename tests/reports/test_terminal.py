"""The last screen of a run on the terminal."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from gptaudit.commands._show import show_result
from gptaudit.evidence.results_file import results_text
from gptaudit.language import told_in

WORDS = re.compile(r"[A-Za-z']{2,} [a-z']{2,} [a-z']{2,}")
"""Three English words on end."""


@pytest.fixture
def shown(capsys, monkeypatch):
    """Return a function that shows a result and returns the lines that are printed."""
    monkeypatch.setattr("gptaudit.run.faults.Faults.observe", lambda *_, **__: iter(()))

    def show(result, **how):
        show_result(result, Path("out dir"), None, **how)
        return capsys.readouterr().out.strip().splitlines()

    return show


def test_the_decision_stands_first_and_the_way_on_last(audit, shown):
    """The verdict with its reason, what the policy covers, findings, what was skipped, the report, the next step."""
    lines = shown(audit)

    assert lines[0].startswith("Verdict: fail. The model does not meet the policy. 1 of 5 rules failed: ")
    assert lines[1].startswith("The policy has 5 rules, about 2 of the 3 probes measured")
    assert lines[-2:] == ["Report: out dir/report.html", "Next: look at the cases: gptaudit view 'out dir'"]
    assert len(lines) <= 10


def test_skipped_probes_have_a_line_for_each_reason(audit, shown):
    """Twenty probes that lack data sets are one line, and no probe is named twenty times."""
    reason = "needs the data set s{} (https://example.org/{} (A 2020)); name its folder: --data DIR or GPTAUDIT_DATA"
    lacking = [replace(audit.probes[3], id=f"set-{i}", reason=reason.format(i, i)) for i in range(20)]
    lines = shown(replace(audit, probes=(*audit.probes[:3], *lacking)))

    assert [line for line in lines if line.startswith("Skipped")] == [
        "Skipped: 20 probes: needs a public data set; name its folder: --data DIR or GPTAUDIT_DATA"
    ]


def test_an_audit_that_ended_early_says_what_is_kept(audit, shown):
    """Incomplete stands first, then why, and how much is kept."""
    lines = shown(replace(audit, gate=None, run=replace(audit.run, status="interrupted", why="SIGTERM")))

    assert lines[0].startswith("Verdict: incomplete. Too little was scored; nothing may be concluded.")
    assert lines[1].startswith("What was answered is kept; 598 of 600 cases are scored.")


def test_every_figure_is_shown_when_asked_for(audit, shown):
    """With `-v` each whole figure and each rule has its line, in the form of the report."""
    text = "\n".join(shown(audit, verbose=True)).replace("\xa0", " ")

    for probe in audit.probes:
        assert all(metric.name in text for metric in probe.metrics)
    assert "93.1 %  (95 % interval 90.4 to 95.2 %; ideal 50 %)" in text
    assert all(rule.why.rstrip(".") in text for rule in audit.gate.rules)


def test_every_figure_is_told_in_chinese(audit, shown):
    """With `-v` in Chinese, no line has three English words on end that the audit's own texts do not have."""
    with told_in("zh"):
        lines = shown(audit, verbose=True)

    own = " ".join(results_text(audit).split())
    english = {found for line in lines[:-2] for found in WORDS.findall(line) if found not in own}
    assert not english
    assert any("95 % 区间 90.4 至 95.2 %; 理想值 50 %" in line.replace("\xa0", " ") for line in lines)


@pytest.mark.parametrize("verbose", [False, True])
def test_no_text_controls_the_terminal(audit, shown, verbose):
    """Hostile titles and reasons are printed without control characters."""
    text = "\n".join(shown(audit, verbose=verbose)).replace("\n", "")

    assert {unicodedata.category(c) for c in text}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
