"""The fixtures that gptaudit offers to authors of probes, used as such an author would."""

from __future__ import annotations

import pytest
from toy_flaw import Rain, Weather

from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl
from gptaudit.plugins import load_plugins
from gptaudit.probe import Scored, Sees
from gptaudit.testing import run_probe
from gptaudit.testing.phantoms import *  # noqa: F403 - a conftest names it in pytest_plugins

pytestmark = pytest.mark.slow


class Blind(Weather):
    def measure(self, answered):
        return Scored({"rain_rate": 0.0})


class Hurried(Rain):
    name = "hurried"
    steps = 1


class SeesHurried(Weather):
    id = "weather-hurried"
    sees = (Sees("hurried", "rain_rate"),)


@pytest.fixture(scope="session")
def phantom_plugins():
    class Offered:
        @hookimpl
        def gptaudit_register_flaws(self, register):
            register(Rain())
            register(Hurried())

    plugins = load_plugins()
    plugins.manager.register(Offered(), "offered")
    return plugins


def test_a_phantom_has_the_rate_that_was_planted(phantom):
    """Its own probability is the dose, and an audit of it says so."""
    backend = phantom("rain", dose=0.5)
    metric = run_probe(Weather(), backend).metrics[0]

    assert Rain().learned(backend, seed=0) == pytest.approx(0.5, abs=0.05)
    assert metric.low <= 0.5 <= metric.high


def test_an_unknown_flaw_is_named(phantom):
    """The message offers what is registered."""
    with pytest.raises(UsageError, match=r"no flaw 'rains'.*'rain'"):
        phantom("rains", dose=0.5)


def test_a_probe_that_sees_its_flaw(assert_sees):
    """It passes, and the figures of the small calibration come back."""
    (figure,) = assert_sees(Weather(), decoders=2)

    assert (figure.flaw, figure.decoders) == ("rain", 4)
    assert figure.slope.value == pytest.approx(1, abs=0.25)


def test_a_blind_probe_fails(assert_sees):
    """It is told which flaw it missed, in how many decoders, and what each trial gave."""
    with pytest.raises(AssertionError, match=r"finds 'rain' of dose 0.5 in 0 of 2.*trials: dose 0"):
        assert_sees(Blind(), decoders=2)


def test_a_flaw_that_is_not_learned_is_named(assert_sees):
    """The message says what each decoder learned in place of what was planted, and what to do."""
    learned = r"did not learn 'hurried'.*more `steps`.*planted 1.0000, but"
    with pytest.raises(AssertionError, match=learned) as caught:
        assert_sees(SeesHurried(), dose=1.0, decoders=1)
    assert "None" not in str(caught.value)
