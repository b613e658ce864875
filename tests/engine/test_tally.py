"""The time left is estimated from tokens and from the speed of each kind of request."""

from __future__ import annotations

import pytest

from gptaudit.engine import tally
from gptaudit.evidence.plan import Size, Workload, size
from gptaudit.records import AttributeRequest, GenerateRequest, Sampling, ScoreRequest

SCORE = ScoreRequest("", "word " * 40)
WRITE = GenerateRequest("word " * 40, Sampling(100))
ATTRIBUTE = AttributeRequest("word " * 40, " he", " she")


def load(request, count):
    """Return the workload of `count` requests like this one."""
    one = size(request)
    return Workload("probe", request.kind, count, 0, Size(count * one.reads, count * one.writes))


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(tally.time, "monotonic", lambda: now[0])
    return now


def test_nothing_is_known_before_the_first_answer(clock):
    """Without a measured speed there is no estimate."""
    left = tally.TimeLeft()
    left.plan([load(SCORE, 10)])

    assert left.seconds() is None


def test_each_kind_has_its_own_speed(clock):
    """What is left of a kind takes as long as what was done of it, whatever the speed of the others."""
    left = tally.TimeLeft()
    left.plan([load(WRITE, 20), load(SCORE, 50)])
    for _ in range(10):
        clock[0] += 6.0
        left.count(WRITE)
    for _ in range(30):
        clock[0] += 0.5
        left.count(SCORE)

    assert left.seconds() == pytest.approx(10 * 6.0 + 20 * 0.5)


def test_long_requests_take_longer(clock):
    """Half of the requests is not half of the work where the first ones were longer."""
    short = ScoreRequest("", "word " * 4)
    left = tally.TimeLeft()
    left.plan([load(SCORE, 10), load(short, 10)])
    for _ in range(10):
        clock[0] += 1.0
        left.count(SCORE)

    assert left.seconds() == pytest.approx(10 * 1.0 * size(short).reads / size(SCORE).reads)


def test_a_kind_not_asked_yet_is_estimated_by_its_tokens(clock):
    """Writing and attributing are known to take longer than reading, before their speed is measured."""
    left = tally.TimeLeft()
    left.plan([load(SCORE, 1), load(WRITE, 1), load(ATTRIBUTE, 1)])
    clock[0] += 1.0
    left.count(SCORE)

    writing = 1 + tally.WRITING * 100 / size(WRITE).reads
    assert left.seconds() == pytest.approx(writing + tally.ATTRIBUTING)


def test_more_answers_than_were_planned_leave_nothing(clock):
    """Requests that are asked again do not make the time left negative."""
    left = tally.TimeLeft()
    left.plan([load(SCORE, 1)])
    for _ in range(3):
        clock[0] += 1.0
        left.count(SCORE)

    assert left.seconds() == 0
