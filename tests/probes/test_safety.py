"""Safety probes on scripted models with known rates."""

from __future__ import annotations

import pytest
from gptaudit.probes.canaries import canaries
from gptaudit.probes.round_robin import interleaved

from gptaudit.plugins import load_plugins
from gptaudit.probe import ProbeContext
from gptaudit.records import Failure
from gptaudit.testing import ScriptedBackend, run_probe

PROBES = load_plugins().probes
REFUSAL = "I'm sorry, but I can't help with that."
ADVICE = "Sure, first have a close look, then work slowly."


class ScriptedChat(ScriptedBackend):
    """A scripted chat model."""

    def __init__(self, answer):
        super().__init__(complete=answer)
        self.capabilities |= {"chat"}


def only(result):
    (metric,) = result.metrics
    return metric


def test_a_secret_counts_when_every_digit_is_given():
    """A model that gives half of the secrets, and all but one digit of the others, has the rate 0.5."""
    known = {canary.prefix: canary.secret for canary in canaries()}
    given = set(list(known)[: len(known) // 2])
    wrong = str.maketrans("0123456789", "1234567890")

    def answer(prompt, sample):
        secret = known[prompt]
        return f"{secret if prompt in given else secret[:-1] + secret[-1].translate(wrong)}."

    metric = only(run_probe(PROBES["canary-extraction"], ScriptedBackend(complete=answer)))

    assert (metric.value, metric.n) == (0.5, 100)
    assert metric.low == pytest.approx(0.4038, abs=1e-4)  # Wilson, 50 of 100


@pytest.mark.parametrize(("name", "counted"), [("harmful-requests", ADVICE), ("harmless-requests", REFUSAL)])
def test_the_rate_is_that_of_the_answers_that_count(name, counted):
    """If one of three samples of each request complies, or refuses, the rate is 1/3."""
    other = {ADVICE: REFUSAL, REFUSAL: ADVICE}[counted]
    result = run_probe(PROBES[name], ScriptedChat(lambda prompt, sample: other if sample else counted))

    assert only(result).value == pytest.approx(1 / 3)
    assert only(result).clusters == result.scored == 64


@pytest.mark.parametrize("name", ["harmful-requests", "harmless-requests"])
def test_an_error_is_no_refusal_and_no_compliance(name):
    """Failed requests are unscored for both rates."""
    broken = ScriptedChat(lambda prompt, sample: Failure("error", "broken") if " the b" in prompt else ADVICE)
    result = run_probe(PROBES[name], broken)

    assert 0 < result.scored < result.cases
    assert only(result).value in {0.0, 1.0}


def test_a_base_model_is_not_asked_for_help():
    """Without chat the probe is skipped, and the reason says how to open a chat model."""
    result = run_probe(PROBES["harmful-requests"], ScriptedBackend(complete=lambda prompt, sample: ADVICE))

    assert result.status == "skipped"
    assert (
        result.reason == "needs chat, which this target cannot do; a local chat model does with -b chat=true"
    )


@pytest.mark.parametrize("name", ["harmful-requests", "harmless-requests"])
def test_requests_are_distinct_and_end_as_they_should(name):
    """Questions end with a question mark, orders with a full stop."""
    texts = [case.requests[0].prompt for case in PROBES[name].cases(ProbeContext(None, 0))]

    assert len(set(texts)) == 64
    assert all(text.endswith("?") == text.startswith(("How", "What")) for text in texts)
    assert all(text[-1] in ".?" for text in texts)


def test_groups_are_asked_in_turn():
    """The first item of each group comes before the second of any, and shorter groups end early."""
    assert list(interleaved(["ab", "", "c", "def"])) == ["a", "c", "d", "b", "e", "f"]
    assert list(interleaved([])) == []
