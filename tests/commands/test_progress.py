"""Progress lines and bars."""

from __future__ import annotations

import time

import pytest

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


def test_time_left_is_what_the_step_knows():
    """Where a step knows the time left better than from its counts, that is shown; an unknown length has none."""
    assert shown.line(Step("asking", 300, 1000, left=7200.0), 10.0).startswith(
        "asking: 300 of 1000, 30.0 a second, 2 h 0 min left"
    )
    assert shown.line(Step("opening the model", 0, 0), 31.2) == "opening the model: 31 s so far"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (99.4, "99 s"), (100, "2 min"), (5_930, "99 min"), (6_000, "1 h 40 min")],
)
def test_durations(seconds, text):
    """A duration has the unit that suits it."""
    assert shown.duration(seconds) == text


def test_lines_come_at_regular_times(monkeypatch, capsys):
    """A line is written every so often, also while nothing is done; parts of a task have no lines of their own."""
    monkeypatch.setattr(shown, "LINE_SECONDS", 0.2)
    with shown.Lines() as lines:
        lines(Step("opening the model", 0, 0))
        time.sleep(0.5)
        for done in range(1000):
            lines(Step("asking", done, 1000))
            lines(Step("bias", done, 500, part=True))
        time.sleep(0.3)

    captured = capsys.readouterr()
    written = captured.err.splitlines()
    assert captured.out == ""
    assert 2 <= len(written) <= 5
    assert written[0].startswith("opening the model: 0 s so far")
    assert written[-1].startswith("asking: 999 of 1000, ")


def test_quiet_says_nothing(monkeypatch, capsys):
    """--quiet shows neither bars nor lines."""
    monkeypatch.setattr(shown, "LINE_SECONDS", 0.05)
    for quiet in (True, False):
        with shown.shown_progress(quiet=quiet) as progress:
            progress(Step("bias", 1, 5))
            time.sleep(0.3)
        assert bool(capsys.readouterr().err) is not quiet


def test_bars_can_be_drawn():
    """The bars accept every kind of step; the bar of a part goes when the part is done."""
    with shown.Bars() as bars:
        for step in (
            Step("opening", 0, 0),
            Step("a", 1, 5),
            Step("a", 5, 5, failures={"empty": 2}),
            Step("b", 4, 9, cached=3),
            Step("part of b", 1, 2, part=True),
            Step("part of b", 2, 2, part=True),
        ):
            bars(step)
        tasks = {task.description: task for task in bars._progress.tasks}
    assert (tasks["a"].completed, tasks["a"].total) == (5, 5)
    assert (tasks["b"].completed, tasks["b"].total) == (1, 6)
    assert tasks["opening"].total is None
    assert [name for name, task in tasks.items() if not task.visible] == ["part of b"]
