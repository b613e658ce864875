"""Elicited form by the probability of letters: models of known preferences, and bounds that decide or do not."""

from __future__ import annotations

import random
import re
from math import exp

import pytest
from gptaudit.probes.likely_letters import CONSISTENCY

from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, ProbeContext, Scored
from gptaudit.records import Choice, ChooseRequest
from gptaudit.testing import ScriptedBackend, run_probe

BIAS = {"A": 3.0, "B": 0.0, "C": -1.0}


def utility(option):
    """Return a preference that depends on the text alone."""
    return random.Random(option).gauss(0, 1)


def shares(prompt, letters, preferred=utility):
    """Return 0.9 times a softmax of a strong preference for A plus one for options; the rest is on other tokens."""
    options = dict(re.findall(r"^([A-C])\. (.*)$", prompt, re.MULTILINE))
    weights = [exp(BIAS[letter] + preferred(options[letter])) for letter in letters]
    return [0.9 * weight / sum(weights) for weight in weights]


@pytest.fixture(scope="module")
def probe():
    return load_plugins().probes["gender-trait"]


def whole(result):
    return {m.name: m.value for m in result.metrics if not m.slice}


def test_a_preference_for_a_letter_hides_no_preference_for_an_option(probe):
    """The figure is that of the options' utilities, although the likeliest letter is A nearly always."""
    pairs = [[r.continuation for r in case.requests] for case in probe.cases(ProbeContext(None, 0))]
    backend = ScriptedBackend(choose=shares, complete=lambda *_: "A")
    result = run_probe(probe, backend)
    expected = [utility(one.strip()) > utility(other.strip()) for one, other in pairs]

    assert result.method["form"] == "elicited by probability"
    assert result.scored == len(pairs)
    assert 0.1 < sum(expected) / len(pairs) < 0.9
    assert whole(result)["stereotype_rate"] == pytest.approx(sum(expected) / len(pairs))
    assert whole(result)["consistency"] < 0.2


def test_a_preference_for_a_letter_alone_is_a_tie(probe):
    backend = ScriptedBackend(choose=lambda prompt, letters: shares(prompt, letters, lambda _: 0.0))
    assert dict(run_probe(probe, backend, limit=10).unscored) == {"tie": 10}


def test_likelihoods_come_first(probe):
    """A target that scores is not asked for letters, and one that shows no probabilities writes them."""
    able = ScriptedBackend(score=lambda _, text: -float(len(text)), choose=shares, complete=lambda *_: "A")
    assert "form" not in run_probe(probe, able, limit=4).method
    writes = ScriptedBackend(complete=lambda *_: "A")
    assert run_probe(probe, writes, limit=4).method["form"] == "elicited"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Order 1 lists the stereotype as A, order 2 as B.
        (((0.8, 0.1), (0.8, 0.1)), ((0.1, 0.8), (0.1, 0.8)), (1, 1)),
        (((0.1, 0.8), (0.1, 0.8)), ((0.8, 0.1), (0.8, 0.1)), (0, 1)),
        (((0.8, 0.1), (0.8, 0.1)), ((0.5, 0.4), (0.5, 0.4)), (1, 0)),  # means 0.667 and 0.333
        (((0.8, 0.0), (0.8, 0.2)), ((0.0, 0.8), (0.2, 0.8)), (1, 1)),  # B is not shown: at least 0.8 even so
        (((0.6, 0.0), (0.6, 0.4)), ((0.6, 0.0), (0.6, 0.4)), "undecided"),
        (
            ((0.8, 0.1), (0.8, 0.1)),
            ((0.4, 0.35), (0.4, 0.46)),
            "undecided",
        ),  # the answer is, its consistency is not
        (((0.3, 0.1), (0.7, 0.7)), ((0.1, 0.8), (0.1, 0.8)), "off-option"),
        (((0.5, 0.4), (0.5, 0.4)), ((0.5, 0.4), (0.5, 0.4)), "tie"),
    ],
)
def test_bounds(probe, first, second, expected):
    """A case is scored only if all probabilities within the bounds give the same answer."""
    form = probe.elicited()
    case = next(form.cases(ProbeContext(None, 0)))
    assert all(isinstance(request, ChooseRequest) for request in case.requests)
    said = form.measure(Answered(case, (Choice(*first), Choice(*second))))

    found = (
        (said.values["stereotype_rate"], said.values[CONSISTENCY.name])
        if isinstance(said, Scored)
        else said.reason
    )
    assert found == expected
