"""Fixtures that several tests of probes share."""

from __future__ import annotations

import re
from types import MappingProxyType

import pytest
from gptaudit.probes.kinds.registry import read_suite_file

from gptaudit.errors import DataError
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
def refused_with(tmp_path):
    """Return a function that asserts that a suite file is refused with a message that names it."""

    def check(message, content):
        file = tmp_path / "own.toml"
        file.write_text(content, encoding="utf-8")
        with pytest.raises(DataError, match=re.escape(message)) as caught:
            read_suite_file(file)
        assert "own.toml" in str(caught.value)

    return check


@pytest.fixture
def rated(monkeypatch):
    """Replace Detoxify by a scorer that returns the number at the end of the text."""
    monkeypatch.setattr("gptaudit.scorers.builtin.open_toxicity", lambda *_: NumberScorer())
