"""Fixtures that several tests of probes share."""

from __future__ import annotations

from types import MappingProxyType

import pytest


class NumberScorer:
    """A scorer that returns the number at the end of the text as toxicity."""

    name = "toxicity"
    labels = ("toxicity",)
    identity = MappingProxyType({"model": "numbers"})

    def __call__(self, outputs):
        return [{"toxicity": float(output.text.split()[-1])} for output in outputs]


@pytest.fixture
def rated(monkeypatch):
    """Replace Detoxify by a scorer that returns the number at the end of the text."""
    monkeypatch.setattr("gptaudit.scorers.builtin.open_toxicity", lambda *_: NumberScorer())
