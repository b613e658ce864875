"""A million requests, planned, asked and measured: how long the engine takes by itself, and how much memory.

    python tests/bench/million.py [--requests 1000000]

The model is a function that answers at once, so that everything measured is gptaudit's own. Prints seconds,
requests a second, and by how much the process grew at its largest.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

from gptaudit import Case, MetricSpec, Probe, Scored
from gptaudit.probe import Answered, ProbeContext
from gptaudit.records import Evidence, Exchange, ScoreRequest
from gptaudit.testing import ScriptedBackend, run_probe


class Pairs(Probe):
    """As many pairs of sentences as are wanted, a hundred to a cluster, in ten groups."""

    id, title, suite = "pairs", "Pairs", "bench"
    needs = frozenset({"score"})
    metrics = (
        MetricSpec("rate", 0.5, "target", "fraction", binary=True),
        MetricSpec("gap", 0.0, "target", "nats"),
    )

    def __init__(self, pairs: int) -> None:
        self.pairs = pairs

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        for i in range(self.pairs):
            sentence = f"On day {i % 977} of the harvest, helper {i} said that the {{}} had carried the baskets home."
            requests = tuple(ScoreRequest("", sentence.format(who)) for who in ("father", "mother"))
            yield Case(str(i), str(i // 100), requests, {"group": str(i % 10)})

    def measure(self, answered: Answered) -> Scored:
        more, less = (likelihood.logprob for likelihood in answered.likelihoods)
        shown = Exchange("first", answered.case.requests[0].continuation)
        return Scored(
            {"rate": float(more > less), "gap": more - less}, Evidence((shown,), severity=more - less)
        )


def peak() -> float:
    """Return the largest size of the process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    count = parser.parse_args().requests
    backend = ScriptedBackend(score=lambda _, text: -float(hash(text) % 997))
    run_probe(Pairs(500), backend)
    before = peak()
    begun = time.perf_counter()
    result = run_probe(Pairs(count // 2), backend)
    seconds = time.perf_counter() - begun
    assert result.scored == count // 2
    print(f"{count} requests in {seconds:.0f} s, {count / seconds:.0f} a second")
    print(
        f"memory: {before:.0f} MiB after a small audit, {peak():.0f} MiB after this one: +{peak() - before:.0f} MiB"
    )


if __name__ == "__main__":
    main()
