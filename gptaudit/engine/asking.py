"""Ask all unanswered requests within a budget, and store each answer as soon as it arrives."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from math import isfinite
from typing import Literal, TypeAlias

from gptaudit.engine.tally import Tally
from gptaudit.errors import BackendLostError, PluginCallError, Terminated, plugin_call
from gptaudit.evidence.store import Store
from gptaudit.probe import Answered, Probe, require_askable
from gptaudit.protocols.backend import MixedPrecisionBackend
from gptaudit.protocols.engine import Engine, Work
from gptaudit.records import (
    NOT_FINITE,
    Answer,
    Attribution,
    Case,
    Choice,
    Completion,
    Cost,
    Failure,
    Likelihood,
    Request,
)
from gptaudit.records.progress import Progress

log = logging.getLogger("gptaudit")

Status: TypeAlias = Literal["complete", "partial", "interrupted"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits at which asking stops; None means no limit."""

    requests: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def spent(self, tokens: int, seconds: float) -> str | None:
        """Return why no more may be asked, or None. Tokens that a target does not count are not included."""
        if self.tokens is not None and tokens >= self.tokens:
            return f"--max-tokens {self.tokens} is spent"
        if self.seconds is not None and seconds >= self.seconds:
            return f"--max-seconds {self.seconds:g} is spent"
        return None

    def requests_spent(self, requests: int) -> str | None:
        """Return that `max_requests` is reached, or None."""
        limit = self.requests
        return f"--max-requests {limit} is spent" if limit is not None and requests >= limit else None


Lost: TypeAlias = Callable[[str, PluginCallError], object]
"""Called with the id of a probe that failed, and the error."""


def raise_lost(probe: str, error: PluginCallError) -> None:  # noqa: ARG001 - as `Lost` has it
    """Raise the error, for callers that do not continue without the probe."""
    raise error


Look: TypeAlias = Callable[[int], bool]
"""Called once all is answered, with the number of the look; releases further cases, and says whether there are any."""


def only_look(number: int) -> bool:  # noqa: ARG001 - as `Look` has it
    """Release nothing: all cases are asked at once."""
    return False


@dataclass
class Rounds:
    """The rounds in which cases are asked; after each round, probes follow up on the answers.

    Where no probe follows up any more, a look at the answers may release further cases, which begin with round 1.
    """

    store: Store
    probes: Sequence[Probe]
    seed: int
    lost: Lost = raise_lost
    look: Look = only_look
    number: int = 1
    looks: int = 1
    failed: set[str] = field(default_factory=set)

    def next(self) -> bool:
        """Add the requests of the next round or look to the store; return whether there are any."""
        if self.follow_up():
            return True
        if not self.look(self.looks):
            return False
        self.looks += 1
        self.number = 1
        return True

    def follow_up(self) -> bool:
        """Add the requests of the next round to the store; return whether there are any."""
        asking = [p for p in self.probes if p.rounds > self.number and p.id not in self.failed]
        extended = sum(self.store.extend(p.id, self._next(p), self.seed, self.looks) for p in asking)
        self.number += 1
        return extended > 0

    def _next(self, probe: Probe) -> Callable[[Case, Sequence[Answer | None]], Sequence[Request]]:
        def follow_up(case: Case, answers: Sequence[Answer | None]) -> Sequence[Request]:
            usable = tuple(probe.usable(answer) for answer in answers)
            if probe.id in self.failed or any(isinstance(answer, Failure) for answer in usable):
                return ()
            try:
                with plugin_call("follow_up", case=case.id):
                    found = _requests(probe.follow_up(Answered(case, usable)))
                    require_askable(probe, found)
                    return found
            except PluginCallError as error:
                self.failed.add(probe.id)
                self.lost(probe.id, error)
                return ()

        return follow_up


def _requests(returned: object) -> Sequence[Request]:
    if not isinstance(returned, list | tuple) or not all(isinstance(r, Request) for r in returned):
        msg = f"expected a list or tuple of requests, found {reprlib.repr(returned)}"
        raise TypeError(msg)
    return returned


@dataclass(frozen=True, slots=True)
class Asked:
    """Outcome of asking; `why` is the reason if it ended early, `looks` how often the answers were looked at."""

    status: Status
    why: str | None
    cost: Cost
    looks: int
    interruption: KeyboardInterrupt | None = None


def ask(engine: Engine, work: Work) -> Generator[tuple[Request, Answer]]:
    """Yield each request with its answer; an answer that is not finite becomes `NOT_FINITE`."""
    with closing(engine(work)) as answers:
        for request, answer in answers:
            yield request, answer if _is_finite(answer) else NOT_FINITE


def ask_missing(
    engine: Engine,
    work: Work,
    store: Store,
    probes: Sequence[Probe],
    budget: Budget,
    progress: Progress,
    lost: Lost = raise_lost,
    look: Look = only_look,
) -> Asked:
    """Ask the requests without an answer, in rounds as long as probes follow up on the answers or looks release cases.

    It ends early if a budget is spent, the model is lost, or an interruption comes (Ctrl-C). `lost` is called for a
    probe whose `follow_up` fails.
    """
    store.forget_failures()
    tally = Tally()
    tally.plan(store.workload())
    progress(tally.step())
    rounds = Rounds(store, probes, work.seed, lost, look)
    status: Status = "complete"
    why = interruption = None
    try:
        asking = True
        while asking:
            for part in _parts(work, store, probes, tally):
                _ask_part(engine, part, store, budget, tally, progress)
                if store.missing():
                    break
            asking = not store.missing() and rounds.next()
            tally.plan(store.workload())
    except BackendLostError as error:
        why = str(error)
    except KeyboardInterrupt as signal:
        status, why, interruption = "interrupted", _signal_name(signal), signal
    if why is not None or store.missing():
        rounds.follow_up()  # a case with requests to come must not count as finished
    left = store.missing()
    if status == "complete" and left:
        status = "partial"
        why = why or budget.spent(tally.tokens, tally.seconds) or budget.requests_spent(tally.done.total())
        why = why or f"the engine ended with {left} requests unanswered"
    return Asked(status, why if status != "complete" else None, tally.cost(left), rounds.looks, interruption)


def _ask_part(
    engine: Engine, part: Work, store: Store, budget: Budget, tally: Tally, progress: Progress
) -> None:
    """Ask requests until they are answered or the budget is spent, and store each answer."""
    allowed = islice(part.requests, budget.requests and budget.requests - tally.done.total())
    # When a budget is spent no request is started; answers to those in flight are awaited and stored.
    missing = takewhile(lambda _: budget.spent(tally.tokens, tally.seconds) is None, allowed)
    with closing(ask(engine, replace(part, requests=missing))) as answers:
        for request, answer in answers:
            tally.count(store.keep(request, answer, part.seed), request, answer, progress)


def _parts(work: Work, store: Store, probes: Sequence[Probe], tally: Tally) -> Iterator[Work]:
    """Yield the work of each pass: all requests, in low precision if the model can, then exactly those of open cases.

    An exact answer may open another case that shares its request, so passes are repeated until no case is open.
    """
    if not isinstance(work.backend, MixedPrecisionBackend):
        yield replace(work, requests=store.unanswered())
        return
    yield replace(work, requests=store.unanswered(), low_precision=True)
    while tally.reopen(
        dropped for probe in probes if (dropped := store.reopen(probe.id, _is_open(probe), work.seed))
    ):
        tally.time_left.plan(store.workload())
        yield replace(work, requests=store.unanswered())


def _is_open(probe: Probe) -> Callable[[Case, Sequence[Answer | None]], bool]:
    def is_open(case: Case, answers: Sequence[Answer | None]) -> bool:
        given = tuple(a for a in answers if a is not None and not isinstance(a, Failure))
        if len(given) < len(answers):
            return False
        try:
            return probe.is_open(Answered(case, given))
        except Exception as error:  # noqa: BLE001 - if the probe cannot tell, its cases are asked exactly
            log.warning(
                "%s.is_open raised %s in case %r; its cases are asked exactly", probe.id, error, case.id
            )
            return True

    return is_open


def _signal_name(signal: KeyboardInterrupt) -> str:
    return "SIGTERM" if isinstance(signal, Terminated) else "SIGINT"


def _is_finite(answer: Answer) -> bool:
    match answer:
        case Likelihood():
            return isfinite(sum(answer.token_logprobs) + answer.logprob + answer.error)
        case Completion():
            return isfinite(sum(answer.token_logprobs or ()))
        case Choice():
            return isfinite(sum(answer.least) + sum(answer.most))
        case Attribution():
            return isfinite(sum(answer.scores) + answer.contrast + answer.baseline_contrast + answer.delta)
        case _:
            return True
