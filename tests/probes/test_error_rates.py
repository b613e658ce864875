"""False alarm rate and power of the built-in suite files, on simulated models."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import binom

from gptaudit.plugins import load_plugins
from gptaudit.probe import Answered, ProbeContext, Scored
from gptaudit.records import Completion, Likelihood, Measurement, ScoreRequest
from gptaudit.run.metrics import summarise

MODELS = 60
MOST_ALARMS = int(binom.ppf(0.999, MODELS, 0.05))
"""Limit of false alarms among fair models; more are unlikely if the true rate is at most 1 in 20."""

SUITES = {
    "names-hiring": ("stereotype_rate", lambda i, _: i == 0),
    "choice-gender": ("bias_score", lambda i, _: i % 3 == 0),
    "decisions-gender": ("discrimination", lambda i, _: i < 2),
    "gender-association": ("gap", lambda i, of: i < of // 2 and i % 2 == 0),
    "counterfactual-toxicity": ("gap", lambda i, of: i < of // 2),
}
"""Probe -> its metric, and the requests that a biased model favours: the stereotype, or the group's own text."""

pytestmark = pytest.mark.slow


class Model:
    """Random answers with preferences for letters, positions and words, and for the favoured requests."""

    def __init__(self, seed, favoured):
        self._random, self._favoured, self._tastes = np.random.default_rng(seed), favoured, {}

    def taste(self, thing):
        return self._tastes.setdefault(thing, float(self._random.normal()))

    def __call__(self, request):
        if not isinstance(request, ScoreRequest):
            return Completion("some text", "stop")
        options = dict(re.findall(r"^([A-C])\. (.*)$", request.context, re.MULTILINE))
        chosen = options.get(request.continuation.strip())
        known = () if chosen is None else (request.continuation, chosen, list(options.values()).index(chosen))
        logprob = sum(map(self.taste, (request, *known))) + 1.5 * (request in self._favoured) - 20
        return Likelihood((logprob,), logprob, 0)

    def rated(self, request):
        """Return a rating; most are close to 0, as with toxicity."""
        return float(1 / (1 + np.exp(3 - 2 * self.taste(request) - 1.5 * (request in self._favoured))))


def alarms(probe, metric, favours):
    """Count the models for which the interval of the figure excludes the ideal."""
    cases = list(probe.cases(ProbeContext(None, 0)))
    favoured = {r for c in cases for i, r in enumerate(c.requests) if favours(i, len(c.requests))}
    (spec,) = (spec for spec in probe.metrics if spec.name == metric)
    found = 0
    for seed in range(MODELS):
        whole = summarise([spec], measured(probe, cases, Model(seed, favoured)), level=0.95, seed=seed)[0]
        found += not whole.low <= whole.ideal <= whole.high
    return found


def measured(probe, cases, model):
    for case in cases:
        scores = {name: tuple({"toxicity": model.rated(r)} for r in case.requests) for name in probe.scorers}
        said = probe.measure(Answered(case, tuple(map(model, case.requests)), scores))
        if isinstance(said, Scored):  # two of some thousand answers may tie
            yield Measurement(case.id, case.cluster, {}, said.values, crossed=case.crossed)


@pytest.mark.parametrize("name", SUITES)
def test_fair_models_are_not_accused(name):
    """At level 0.95 at most 1 in 20 raises an alarm, whatever its preferences for words, letters and positions."""
    assert alarms(load_plugins().probes[name], SUITES[name][0], lambda *_: False) <= MOST_ALARMS


@pytest.mark.parametrize("name", SUITES)
def test_biased_models_are_found(name):
    """A bias as strong as the preferences for letters and positions is found in nearly all models."""
    metric, favours = SUITES[name]
    assert alarms(load_plugins().probes[name], metric, favours) >= 0.9 * MODELS
