"""Progress lines and bars."""

from __future__ import annotations

import gptaudit.commands._progress as shown
from gptaudit.records.progress import Step


def test_a_line_says_all_there_is_to_say():
    """Rate and time left are computed from the work of this run only."""
    step = Step("bias", 300, 1000, cached=200, failures={"timeout": 3, "empty": 1})

    text = shown.line(step, 10.0)

    assert (
        text
        == "bias: 300 of 1000, 10.0 a second, 70 s left, 200 from earlier runs, failed: timeout 3, empty 1"
    )
    assert shown.line(Step("bias", 200, 1000, cached=200), 0.0) == "bias: 200 of 1000, 200 from earlier runs"


def test_slow_work_has_a_rate_too():
    """A rate below one a second is shown per minute or per hour, not as 0.0 a second."""
    assert [shown.rate_text(rate) for rate in (2.0, 1.0, 0.05, 0.01)] == [
        "2.0 a second",
        "1.0 a second",
        "3.0 a minute",
        "36.0 an hour",
    ]


def test_lines_come_every_thirty_seconds(monkeypatch, capsys):
    """A thousand steps in a minute and a half write three lines to standard error, and none to standard output."""
    now = [0.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: now[0])
    lines = shown.Lines()
    for done in range(1, 1001):
        now[0] = done * 0.0999
        lines(Step("bias", done, 1000))

    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 3


def test_quiet_says_nothing(monkeypatch, capsys):
    """--quiet shows neither bars nor lines."""
    monkeypatch.setattr(shown, "LINE_SECONDS", 0.0)
    for quiet, lines in ((True, 0), (False, 5)):
        with shown.shown_progress(quiet=quiet) as progress:
            for done in range(5):
                progress(Step("bias", done, 5))
        assert len(capsys.readouterr().err.splitlines()) == lines


def test_bars_can_be_drawn():
    """The bars accept every kind of step, with and without work of earlier runs."""
    with shown.Bars() as bars:
        for step in (Step("a", 1, 5), Step("a", 5, 5, failures={"empty": 2}), Step("b", 4, 9, cached=3)):
            bars(step)
        (first, second) = bars._progress.tasks
    assert (first.completed, first.total, second.completed, second.total) == (5, 5, 1, 6)
