"""Counts of what was asked, and the time left, which is estimated from tokens."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from gptaudit.evidence.plan import Size, Workload, size
from gptaudit.records import Answer, Attribution, Choice, Completion, Cost, Failure, Likelihood, Request
from gptaudit.records.progress import Progress, Step

WRITING = 4
"""Tokens read in the time in which one is written, where the speed of writing is not measured yet."""
ATTRIBUTING = 150
"""Passes over a prompt to attribute it, until that speed is measured: some 50 steps, forward and backward."""


def work(kind: str, tokens: Size) -> float:
    """Return the work of requests of a kind, in tokens read."""
    return tokens.reads * (ATTRIBUTING if kind == "attribute" else 1) + tokens.writes * WRITING


class TimeLeft:
    """Time left, from the work of each kind of request and the speed at which that kind was answered.

    The tokens that are written are estimated as most allowed; that a model writes fewer shows as a higher speed.
    """

    def __init__(self) -> None:
        self._left: dict[str, float] = {}
        self._done: dict[str, float] = defaultdict(float)
        self._seconds: dict[str, float] = defaultdict(float)
        self._last = time.monotonic()

    def plan(self, workloads: Iterable[Workload]) -> None:
        """Set what is left."""
        self._left = defaultdict(float)
        for load in workloads:
            self._left[load.kind] += work(load.kind, load.left)

    def count(self, request: Request) -> None:
        """Note that an answer arrived."""
        now = time.monotonic()
        done = work(request.kind, size(request))
        self._left[request.kind] -= done
        self._done[request.kind] += done
        self._seconds[request.kind] += now - self._last
        self._last = now

    def seconds(self) -> float | None:
        """Return the time left in seconds; None before the first answer. A kind not asked yet has the mean speed."""
        mean = _speed(sum(self._done.values()), sum(self._seconds.values()))
        if mean is None:
            return None
        speeds = {kind: _speed(done, self._seconds[kind]) or mean for kind, done in self._done.items()}
        return sum(max(0.0, left) / speeds.get(kind, mean) for kind, left in self._left.items())


def _speed(done: float, seconds: float) -> float | None:
    return done / seconds if done > 0 and seconds > 0 else None


@dataclass
class Tally:
    """Counts of what was asked so far."""

    begun: float = field(default_factory=time.monotonic)
    requests: Counter[str] = field(default_factory=Counter)
    """Requests of each probe."""
    cached: Counter[str] = field(default_factory=Counter)
    """Requests of each probe that earlier runs answered."""
    done: Counter[str] = field(default_factory=Counter)
    failures: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Failures by reason, of each probe that has any."""
    input_tokens: int = 0
    output_tokens: int = 0
    redone: Counter[str] = field(default_factory=Counter)
    uncounted: int = 0
    """Number of answers whose tokens the target did not count."""
    time_left: TimeLeft = field(default_factory=TimeLeft)

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    @property
    def seconds(self) -> float:
        """Seconds since the asking began."""
        return time.monotonic() - self.begun

    def plan(self, workloads: Iterable[Workload]) -> None:
        """Set the requests of all rounds so far; answers that are not from this run count as cached."""
        workloads = list(workloads)
        self.time_left.plan(workloads)
        self.requests, self.cached = Counter(), Counter()
        for load in workloads:
            self.requests[load.probe] += load.requests
            self.cached[load.probe] += load.answered
        for probe in self.requests:
            failed = self.failures.get(probe, Counter()).total()
            self.cached[probe] += failed - (self.done[probe] - self.redone[probe])

    def reopen(self, dropped: Iterable[Counter[str]]) -> bool:
        """Count the answers that were dropped; return whether there were any."""
        before = self.redone.total()
        for of_probe in dropped:
            self.redone.update(of_probe)
        return self.redone.total() > before

    def count(self, probe: str, request: Request, answer: Answer, progress: Progress) -> None:
        """Count an answer, and tell the progress of all and of the probe."""
        self.done[probe] += 1
        if isinstance(answer, Failure):
            self.failures[probe][answer.reason] += 1
        read, written = _tokens(answer)
        self.uncounted += read is None or written is None
        self.input_tokens += read or 0
        self.output_tokens += written or 0
        self.time_left.count(request)
        progress(self.step())
        done, total = self.cached[probe] + self.done[probe], self.requests[probe] + self.redone[probe]
        failures = self.failures.get(probe, Counter())
        progress(Step(probe, done, total, self.cached[probe], failures, part=True))

    def step(self) -> Step:
        """Return the progress of all probes together."""
        cached = self.cached.total()
        total = self.requests.total() + self.redone.total()
        failures = Counter[str]()
        for of_probe in self.failures.values():
            failures.update(of_probe)
        return Step(
            "asking", cached + self.done.total(), total, cached, failures, left=self.time_left.seconds()
        )

    def cost(self, left: int) -> Cost:
        """Return the cost; `left` is the number of requests without an answer."""
        return Cost(
            requests=self.requests.total() - left,
            requests_cached=self.cached.total(),
            input_tokens=None if self.uncounted else self.input_tokens,
            output_tokens=None if self.uncounted else self.output_tokens,
            seconds=round(self.seconds, 3),
            requests_redone=self.redone.total(),
        )


def _tokens(answer: Answer) -> tuple[int | None, int | None]:
    """Return how many tokens the model read and wrote; None if it did not say."""
    match answer:
        case Likelihood():
            return answer.context_tokens + len(answer.token_logprobs), 0
        case Completion():
            return answer.prompt_tokens, answer.tokens
        case Choice():
            return answer.prompt_tokens, 1
        case Attribution():
            return len(answer.tokens), 0
        case _:
            return 0, 0
