"""Fixtures that several tests of probes share."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from gptaudit.gate.policy import load_policy


class NumberScorer:
    """A scorer that returns the number at the end of the text as toxicity."""

    name = "toxicity"
    labels = ("toxicity",)
    identity = MappingProxyType({"model": "numbers"})

    def __call__(self, outputs):
        return [{"toxicity": float(output.text.split()[-1])} for output in outputs]


@pytest.fixture(scope="session")
def keeps_release_limit():
    """Return a function that says whether a probe's figure passes the rule of the release policy on it."""
    limits = {rule.metric: rule.limits for rule in load_policy("release").rule}

    def keeps(result, name):
        (metric,) = [m for m in result.metrics if m.name == name and not m.slice]
        least, greatest = limits[f"{result.id}.{name}"]
        return (least is None or metric.low >= least) and (greatest is None or metric.high <= greatest)

    return keeps


@pytest.fixture
def rated(monkeypatch):
    """Replace Detoxify by a scorer that returns the number at the end of the text."""
    monkeypatch.setattr("gptaudit.scorers.builtin.open_toxicity", lambda *_: NumberScorer())
