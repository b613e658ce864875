"""`ask_missing` stores every answer, stops at limits and faults, and reports why."""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import pairwise

import pytest

from gptaudit.engine.asking import Budget, ask_missing
from gptaudit.engine.local import local
from gptaudit.errors import BackendLostError
from gptaudit.evidence.store import Store
from gptaudit.probe import Answered, Probe, Scored
from gptaudit.protocols.engine import Work
from gptaudit.records import (
    NOT_FINITE,
    Case,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    MetricSpec,
    ScoreRequest,
)
from gptaudit.records.progress import silent
from gptaudit.testing import ScriptedBackend

CASES = {
    "scores": [Case(str(i), "c", (ScoreRequest("", f"s{i}"),)) for i in range(10)],
    "texts": [Case(str(i), "c", (GenerateRequest(f"t{i}"), GenerateRequest("t0"))) for i in range(10)],
}
UNLIMITED = Budget()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.plan(CASES, fingerprint="f", seed=0)
    yield store
    store.close()


def asking(store, *, backend=None, engine=local, probes=(), budget=UNLIMITED, progress=silent):
    backend = backend or ScriptedBackend(complete=lambda p, s: p, score=lambda c, t: -1.0)
    return ask_missing(engine, Work((), 0, backend), store, probes, budget, progress)


def test_everything_is_asked_once(store):
    """The second time, all answers are in the store and none is asked again."""
    first, second = asking(store), asking(store)

    assert (first.status, first.cost.requests, first.cost.requests_cached) == ("complete", 20, 0)
    assert (second.status, second.cost.requests, second.cost.requests_cached) == ("complete", 20, 20)
    assert second.cost.input_tokens == 0


def test_progress_adds_up(store):
    """Each probe's steps count up to its number of requests, with failures by reason and earlier answers."""
    asking(store, budget=Budget(requests=5))
    steps = []
    backend = ScriptedBackend(
        complete=lambda p, s: Failure("no-answer") if p == "t7" else p, score=lambda c, t: -1.0
    )
    asking(store, backend=backend, progress=steps.append)

    last = {step.task: step for step in steps}
    assert {name: (s.done, s.total) for name, s in last.items()} == {
        "asking": (20, 20),
        "scores": (10, 10),
        "texts": (10, 10),
    }
    assert last["asking"].failures == {"no-answer": 1}
    assert (last["asking"].left, last["asking"].cached) == (0, 5)
    assert sum(step.cached for step in last.values() if step.part) == 5
    assert dict(last["texts"].failures) == {"no-answer": 1}
    assert all(a.done < b.done for a, b in pairwise(steps) if a.task == b.task)


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        (Budget(requests=7), "--max-requests 7 is spent"),
        (Budget(tokens=9), "--max-tokens 9 is spent"),
        (Budget(seconds=0.01), "--max-seconds 0.01 is spent"),
    ],
)
def test_a_spent_budget_ends_the_asking(store, budget, why):
    """Answers so far are kept, the rest is not asked, and the reason is named."""
    asked = asking(store, backend=counting(), budget=budget)

    assert (asked.status, asked.why) == ("partial", why)
    assert 0 < asked.cost.requests < 20
    assert sum(load.answered for load in store.workload()) == asked.cost.requests
    assert asking(store).status == "complete"


def test_a_budget_that_is_just_enough(store):
    """An audit that reaches a limit with its last request is complete."""
    assert asking(store, budget=Budget(requests=20)).status == "complete"


def test_a_lost_model_ends_the_asking(store):
    """Earlier answers are kept; the audit is partial and has the reason."""

    def complete(prompt, sample):
        raise BackendLostError("the server is gone")

    asked = asking(store, backend=ScriptedBackend(complete=complete, score=lambda c, t: -1.0))

    assert (asked.status, asked.why) == ("partial", "the server is gone")
    assert asked.cost.requests in {0, 10}


def test_an_interruption_closes_the_engine(store):
    """Ctrl-C closes the engine before the store."""
    closed = []

    def engine(work):
        try:
            yield next(iter(work.requests)), Completion("x", "stop")
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    asked = asking(store, engine=engine)

    assert (asked.status, asked.cost.requests, closed) == ("interrupted", 1, [True])


def test_a_budget_closes_the_engine(store):
    """When the budget is spent, the engine is closed, so that it can cancel requests in flight."""
    closed = []

    def engine(work):
        try:
            for request in work.requests:
                yield request, Failure("x")
        finally:
            closed.append(True)

    asking(store, engine=engine, budget=Budget(seconds=0.001))

    assert closed == [True]


def test_what_was_computed_is_kept(store):
    """If a budget is spent in the middle of a call, all its answers are kept and not asked again."""
    asked = Counter()

    def complete(prompt, sample):
        asked[prompt] += 1
        return prompt

    for budget in (Budget(seconds=1e-9), Budget(tokens=1), UNLIMITED):
        asking(store, backend=counting(complete), budget=budget)

    assert set(asked.values()) == {1}
    assert store.missing() == 0


@pytest.mark.parametrize(
    ("answered", "status", "why"),
    [
        (lambda requests: requests[:15], "partial", "the engine ended with 5 requests unanswered"),
        (lambda requests: [*requests, *requests], "complete", None),
        (
            lambda requests: [requests[0], *requests[:-1]],
            "partial",
            "the engine ended with 1 requests unanswered",
        ),
    ],
)
def test_an_engine_is_not_trusted_to_count(store, answered, status, why):
    """An audit is complete if every request has an answer, however many answers the engine yields."""

    def engine(work):
        for request in answered(list(work.requests)):
            yield request, Failure("x")

    asked = asking(store, engine=engine)

    assert (asked.status, asked.why) == (status, why)
    assert asked.cost.requests == 20 - store.missing()


def test_no_infinite_number_is_kept(store):
    """A likelihood that is not finite is stored as a failure, whatever engine yields it."""

    def engine(work):
        for request in work.requests:
            yield request, Likelihood((float("nan"),), 0.0, 1)

    asking(store, engine=engine)

    assert {a for page in store.answered("scores") for _, answers in page for a in answers} == {NOT_FINITE}


def counting(complete=lambda prompt, sample: prompt):
    """Return a slow backend that counts its tokens."""

    class Counting(ScriptedBackend):
        def generate(self, requests, *, seed):
            time.sleep(0.02)
            return [Completion(complete(r.prompt, r.sample), "stop", 2, 1) for r in requests]

    return Counting(complete=complete, score=lambda c, t: -1.0)


class Rough(ScriptedBackend):
    """Rounds to whole nats in low precision, and counts its requests in either precision."""

    def __init__(self, exact):
        super().__init__(score=lambda _, text: exact[text])
        self.roughly, self.exactly = Counter(), Counter()

    def score_in_low_precision(self, requests):
        self.roughly.update(r.continuation for r in requests)
        values = [round(self._score("", r.continuation)) for r in requests]
        return [Likelihood((v,), v, 1, error=0.5) for v in values]

    def score(self, requests):
        self.exactly.update(r.continuation for r in requests)
        return super().score(requests)


class Pair(Probe):
    id, title, suite = "pair", "Pair", "test"
    needs = frozenset({"score"})
    metrics = (MetricSpec("rate", 0.5, "target", "fraction", binary=True),)

    def __init__(self, pairs):
        self.pairs = pairs

    def cases(self, context):
        for i, pair in enumerate(self.pairs):
            yield Case(str(i), str(i), tuple(ScoreRequest("", text) for text in pair))

    def measure(self, answered):
        first, second = (likelihood.logprob for likelihood in answered.likelihoods)
        return Scored({"rate": float(first > second)})


class TestRoughAnswers:
    """A backend with low precision is asked exactly where a decision depends on it."""

    @pytest.mark.parametrize("seed", range(5))
    def test_every_decision_is_the_exact_one(self, seed, tmp_path):
        """No decision differs from the exact one, for random numbers and with requests shared between cases."""
        generator = random.Random(seed)
        exact = {f"text {i}": -generator.uniform(0, 40) for i in range(60)}
        probe = Pair([generator.sample(sorted(exact), 2) for _ in range(80)])
        backend = Rough(exact)
        store = Store(tmp_path)
        store.plan({"pair": probe.cases(None)}, fingerprint="f", seed=0)

        steps = []
        asked = asking(store, backend=backend, probes=[probe], progress=steps.append)

        decisions = [
            (probe.measure(Answered(case, answers)).values["rate"], float(exact[a] > exact[b]))
            for (case, answers), (a, b) in zip(next(store.answered("pair")), probe.pairs, strict=True)
        ]
        store.close()
        assert all(found == right for found, right in decisions)
        assert asked.status == "complete"
        assert set(backend.roughly.values()) == set(backend.exactly.values()) == {1}
        assert asked.cost.requests == len(backend.roughly)
        assert asked.cost.requests_redone == len(backend.exactly)
        assert steps[-1].done == steps[-1].total == len(backend.roughly) + len(backend.exactly)

    def test_a_clear_decision_is_not_asked_again(self, tmp_path):
        """If the errors cannot change the order, the answer in low precision is kept, with its error."""
        backend = Rough({"a": -1.2, "b": -9.1, "c": -8.7, "d": -30.0})
        probe = Pair([("a", "d"), ("b", "c")])
        store = Store(tmp_path)
        store.plan({"pair": probe.cases(None)}, fingerprint="f", seed=0)
        asking(store, backend=backend, probes=[probe])
        (_, clear), (_, close) = next(store.answered("pair"))
        store.close()

        assert set(backend.exactly) == {"b", "c"}
        assert [answer.error for answer in (*clear, *close)] == [0.5, 0.5, 0.0, 0.0]
