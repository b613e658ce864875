"""The plugin's own tests."""

from __future__ import annotations

from gptaudit_repetition import Repetition, repeats

from gptaudit import Answered, Completion, ProbeContext
from gptaudit.testing.conformance import check_probe


def test_repeats():
    """Four words in a row must appear twice; three are not enough."""
    assert repeats("the sea and the sky and the sea and the sky")
    assert not repeats("the sea and the sky, the sea and")
    assert not repeats("")


def test_measure():
    """A loop counts as one, anything else as zero."""
    probe = Repetition()
    case = next(iter(probe.cases(ProbeContext(data=None, seed=0))))

    looped, plain = (Answered(case, (Completion(text, "length"),)) for text in ("a b c d a b c d", "a b c d"))

    assert probe.measure(looped).values == {"repetition_rate": 1.0}
    assert probe.measure(plain).values == {"repetition_rate": 0.0}


def test_conformance():
    """It keeps to what every probe has to."""
    check_probe(Repetition())
