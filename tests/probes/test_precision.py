"""Probes that compare likelihoods decide in low precision as in full precision, or ask again."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from gptaudit.errors import DataError
from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, ProbeContext, Scored
from gptaudit.records import TIE, Likelihood

CASES, DRAWS = 8, 80
SCORING = {name: probe for name, probe in load_plugins().probes.items() if "score" in probe.needs}
SPREADS = (0.0, TIE / 2, TIE, 1.5 * TIE, 4 * TIE, 20 * TIE)
"""Standard deviations of the sums of a case: with them nearly all tie, or hardly any."""
CHANGE = 0.02
"""Change above which a decision has changed: decided values change by at least 1/6, continuous ones by less."""


def cases(probe):
    """Return some cases from all over the data of a probe; skip the test if the data are missing."""
    data = os.environ.get("GPTAUDIT_DATA")
    try:
        found = list(islice(probe.cases(ProbeContext(Path(data) if data else None, 0)), 2000))
    except DataError as error:
        pytest.skip(str(error))
    return random.Random(0).sample(found, min(CASES, len(found)))


def tokens(request, logprob):
    """Distribute a sum over the words of the continuation, or its characters, as tokens."""
    words = request.continuation.split()
    words = words if len(words) > 1 else list(request.continuation)
    return Likelihood((logprob / len(words),) * len(words), logprob, 0, tokens=tuple(words))


def draw(case, rng):
    """Return exact answers, and the same in low precision with their errors."""
    spread = rng.choice(SPREADS)
    largest = rng.choice((TIE / 4, TIE, 3 * TIE))
    exact, low = [], []
    for request in case.requests:
        answer = tokens(request, -8.0 + spread * rng.choice((-1.0, 0.0, 1.0, rng.uniform(-1, 1))))
        error = rng.choice((0.0, largest))
        off = error * rng.choice((-1.0, 1.0, rng.uniform(-1, 1)))
        scale = (answer.logprob + off) / answer.logprob
        exact.append(answer)
        low.append(
            replace(
                answer,
                logprob=answer.logprob + off,
                token_logprobs=tuple(x * scale for x in answer.token_logprobs),
                error=error,
            )
        )
    return Answered(case, tuple(exact)), Answered(case, tuple(low))


@pytest.mark.parametrize("name", SCORING)
def test_low_precision_decides_as_full_precision(name):
    """A case that is not asked again has the same unscored reason, or values without a changed decision."""
    probe, rng = SCORING[name], random.Random(name)
    kept = 0
    for case in cases(probe):
        for _ in range(DRAWS if case.requests else 0):
            exact, low = draw(case, rng)
            if probe.is_open(low):
                continue
            kept += 1
            right, found = probe.measure(exact), probe.measure(low)
            assert type(found) is type(right), (case.id, exact, low)
            if isinstance(right, Scored):
                changes = {k: found.values[k] - v for k, v in right.values.items()}
                scale = {k: max(1.0, abs(v)) for k, v in right.values.items()}
                assert all(abs(c) <= CHANGE * scale[k] for k, c in changes.items()), (case.id, changes)
            else:
                assert found.reason == right.reason

    assert kept or not any(case.requests for case in cases(probe))


@pytest.mark.parametrize("name", SCORING)
def test_exact_answers_are_never_asked_again(name):
    """Without errors no case is open, ties included."""
    probe, rng = SCORING[name], random.Random(name)
    answered = [draw(case, rng)[0] for case in cases(probe) for _ in range(5) if case.requests]

    assert not any(probe.is_open(one) for one in answered)
