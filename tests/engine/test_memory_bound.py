"""An audit's memory does not grow with its requests."""

from __future__ import annotations

import tracemalloc

import pytest

from gptaudit import Case, MetricSpec, Probe, Scored
from gptaudit.records import Evidence, Exchange, ScoreRequest
from gptaudit.testing import ScriptedBackend, run_probe


class Many(Probe):
    """A given number of cases, each a cluster of its own."""

    id, title, suite = "many", "Many", "test"
    needs = frozenset({"score"})
    metrics = (MetricSpec("rate", 0.5, "target", "fraction", binary=True),)

    def __init__(self, count):
        self.count = count

    def cases(self, context):
        for i in range(self.count):
            pair = tuple(ScoreRequest("", f"In year {i} the {who} moved to another valley.") for who in "AB")
            yield Case(str(i), str(i), pair, {"group": str(i % 3)})

    def measure(self, answered):
        more, less = (likelihood.logprob for likelihood in answered.likelihoods)
        shown = Exchange("A", answered.case.requests[0].continuation)
        return Scored({"rate": float(more > less)}, Evidence((shown,), severity=more))


def peak(count):
    backend = ScriptedBackend(score=lambda _, text: -float(sum(text.encode()) % 97))
    tracemalloc.start()
    try:
        assert run_probe(Many(count), backend).cases == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_case_more_costs_two_hundred_bytes_at_most():
    """With ten times the cases, of some 3,000 bytes each, memory grows only by their columns of numbers."""
    peak(100)  # warm up: imports and caches
    small, large = peak(1_000), peak(10_000)

    assert large - small < 9_000 * 200
