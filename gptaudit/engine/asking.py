"""Asking what is not answered yet, within a budget, and keeping each answer at once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from math import isfinite
from typing import Literal, TypeAlias

from gptaudit.errors import BackendLostError, Terminated
from gptaudit.evidence.store import RequestCounts, Store
from gptaudit.probe import Answered, Probe
from gptaudit.protocols.backend import MixedPrecisionBackend
from gptaudit.protocols.engine import Engine, Work
from gptaudit.records import (
    NOT_FINITE,
    Answer,
    Attribution,
    Case,
    Completion,
    Cost,
    Failure,
    Likelihood,
    Request,
)
from gptaudit.records.progress import Progress, Step

log = logging.getLogger("gptaudit")

Status: TypeAlias = Literal["complete", "partial", "interrupted"]


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop asking; None sets no limit."""

    requests: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def spent(self, tokens: int, seconds: float) -> str | None:
        """Name the option whose limit is reached. Tokens that a target does not count are not in the sum."""
        if self.tokens is not None and tokens >= self.tokens:
            return f"--max-tokens {self.tokens} is spent"
        if self.seconds is not None and seconds >= self.seconds:
            return f"--max-seconds {self.seconds:g} is spent"
        return None

    def requests_spent(self, requests: int) -> str | None:
        """Name the option that limits how many are asked, if so many reach it."""
        limit = self.requests
        return f"--max-requests {limit} is spent" if limit is not None and requests >= limit else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking; `why` says what ended it early."""

    status: Status
    why: str | None
    cost: Cost
    interruption: KeyboardInterrupt | None = None


def ask(engine: Engine, work: Work) -> Generator[tuple[Request, Answer]]:
    """Yield each request with its answer; one that is no finite number is a failure."""
    with closing(engine(work)) as answers:
        for request, answer in answers:
            yield request, answer if _is_finite(answer) else NOT_FINITE


def ask_missing(
    engine: Engine, work: Work, store: Store, probes: Sequence[Probe], budget: Budget, progress: Progress
) -> Asked:
    """Ask what the store has no answer to.

    A spent budget and a model that is lost end the asking, and so does an interruption (Ctrl-C).
    """
    store.forget_failures()
    tally = _Tally(store.shares())
    status: Status = "complete"
    why = interruption = None
    try:
        for part in _parts(work, store, probes, tally):
            allowed = islice(part.requests, budget.requests and budget.requests - tally.done.total())
            # Nothing more is begun where a budget is spent; what is under way is waited for and kept.
            missing = takewhile(lambda _: budget.spent(tally.tokens, tally.seconds) is None, allowed)
            with closing(ask(engine, replace(part, requests=missing))) as answers:
                for request, answer in answers:
                    tally.count(store.keep(request, answer, work.seed), answer, progress)
            if store.missing():
                break
    except BackendLostError as error:
        why = str(error)
    except KeyboardInterrupt as signal:
        status, why, interruption = "interrupted", _signal_name(signal), signal
    left = store.missing()
    if status == "complete" and left:
        status = "partial"
        why = why or budget.spent(tally.tokens, tally.seconds) or budget.requests_spent(tally.done.total())
        why = why or f"the engine ended with {left} requests unanswered"
    return Asked(status, why if status != "complete" else None, tally.cost(left), interruption)


def _parts(work: Work, store: Store, probes: Sequence[Probe], tally: _Tally) -> Iterator[Work]:
    """Yield what is to be asked: everything roughly where the model can, and then what is open exactly.

    An exact answer may open another case that shares its request, so this goes on until nothing is open.
    """
    if not isinstance(work.backend, MixedPrecisionBackend):
        yield replace(work, requests=store.unanswered())
        return
    yield replace(work, requests=store.unanswered(), low_precision=True)
    while tally.reopen(
        dropped for probe in probes if (dropped := store.reopen(probe.id, _is_open(probe), work.seed))
    ):
        yield replace(work, requests=store.unanswered())


def _is_open(probe: Probe) -> Callable[[Case, Sequence[Answer | None]], bool]:
    def is_open(case: Case, answers: Sequence[Answer | None]) -> bool:
        given = tuple(a for a in answers if a is not None and not isinstance(a, Failure))
        if len(given) < len(answers):
            return False
        try:
            return probe.is_open(Answered(case, given))
        except Exception as error:  # noqa: BLE001 - a probe that cannot say it is asked exactly
            log.warning(
                "%s.is_open raised %s in case %r; its cases are asked exactly", probe.id, error, case.id
            )
            return True

    return is_open


def _signal_name(signal: KeyboardInterrupt) -> str:
    return "SIGTERM" if isinstance(signal, Terminated) else "SIGINT"


@dataclass
class _Tally:
    """What was asked so far."""

    shares: dict[str, RequestCounts]
    begun: float = field(default_factory=time.monotonic)
    done: Counter[str] = field(default_factory=Counter)
    failures: dict[str, Counter[str]] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    redone: Counter[str] = field(default_factory=Counter)
    uncounted: int = 0
    """Answers whose tokens the target did not count."""

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def reopen(self, dropped: Iterable[Counter[str]]) -> bool:
        """Note that answers were dropped; return whether there were any."""
        before = self.redone.total()
        for of_probe in dropped:
            self.redone.update(of_probe)
        return self.redone.total() > before

    def count(self, probe: str, answer: Answer, progress: Progress) -> None:
        failures = self.failures.setdefault(probe, Counter())
        self.done[probe] += 1
        if isinstance(answer, Failure):
            failures[answer.reason] += 1
        read, written = _tokens(answer)
        self.uncounted += read is None or written is None
        self.input_tokens += read or 0
        self.output_tokens += written or 0
        share = self.shares[probe]
        done, total = share.answered + self.done[probe], share.requests + self.redone[probe]
        progress(Step(probe, done, total, share.answered, failures))

    def cost(self, left: int) -> Cost:
        """Sum up, with so many requests left that have no answer."""
        cached = sum(share.answered for share in self.shares.values())
        return Cost(
            requests=sum(share.requests for share in self.shares.values()) - left,
            requests_cached=cached,
            input_tokens=None if self.uncounted else self.input_tokens,
            output_tokens=None if self.uncounted else self.output_tokens,
            seconds=round(self.seconds, 3),
            requests_redone=self.redone.total(),
        )


def _is_finite(answer: Answer) -> bool:
    match answer:
        case Likelihood():
            return isfinite(sum(answer.token_logprobs) + answer.logprob + answer.error)
        case Completion():
            return isfinite(sum(answer.token_logprobs or ()))
        case Attribution():
            return isfinite(sum(answer.scores) + answer.contrast + answer.baseline_contrast + answer.delta)
        case _:
            return True


def _tokens(answer: Answer) -> tuple[int | None, int | None]:
    """Return how many tokens the model read and wrote; None where it did not say."""
    match answer:
        case Likelihood():
            return answer.context_tokens + len(answer.token_logprobs), 0
        case Completion():
            return answer.prompt_tokens, answer.tokens
        case Failure():
            return 0, 0
        case _:
            return len(answer.tokens), 0
