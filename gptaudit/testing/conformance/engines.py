"""The check of engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import isclose
from typing import Any, Final

from gptaudit.errors import BackendLostError
from gptaudit.plugins import load_plugins
from gptaudit.protocols.backend import Backend
from gptaudit.protocols.engine import EngineType, Work
from gptaudit.records import (
    Answer,
    AttributeRequest,
    Attribution,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    Request,
    Sampling,
    ScoreRequest,
    SecretRequest,
)
from gptaudit.run.target import open_target
from gptaudit.testing import echo
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, expect_same

ECHO: Final = "python:gptaudit.testing.echo:echo"
DECODER: Final = "decoder:clean"
"""The targets, which can be opened in any process where gptaudit is installed."""
MANY: Final = 700
"""Requests for texts, more than an engine sends in one call."""
OF_A_KIND: Final = 10
"""Requests of each kind where kinds are mixed."""
ROUNDING: Final = 1e-4
"""Nats by which log-likelihoods may differ between batches."""


@dataclass(frozen=True)
class _Asked:
    """An engine that is asked, with its settings and a target."""

    engine: EngineType
    settings: Any
    target: str
    backend: Backend

    def work(self, requests: Iterable[Request]) -> Work:
        return Work(requests, 0, self.backend, target=self.target, settings=self.settings)


def check_engine(engine: EngineType, settings: object = None) -> None:
    """Check an engine, whether it asks the backend that it is given or opens the target in other processes.

    Each request gets its own answer, once, in whatever order kinds come; a request that fails costs no other its
    answer; a model that is lost ends the work with `BackendLostError`; a work without requests has no answers; requests
    are taken as they can be sent, and no more once the work is closed.

    `settings` is an instance of `EngineType.options`; without it, one of its defaults.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("engines", engine, "name")
    where = f"engine {engine.name!r}"
    with calling(where):
        settings = engine.options() if settings is None else settings
    echoing, decoder = (_Asked(engine, settings, target, _opened(target)) for target in (ECHO, DECODER))
    with calling(where):
        none = list(engine.run(echoing.work(())))
    expect(f"{where}, no requests", "no answers", none, holds=none == [])
    _check_texts(echoing, where)
    _check_lost(echoing, where)
    _check_closing(echoing, where)
    _check_kinds(decoder, where)


@cache
def _opened(target: str) -> Backend:
    backend, _ = open_target(target, {}, load_plugins())
    return backend


def _answered(asked: _Asked, requests: Sequence[Request], where: str) -> dict[Request, Answer]:
    """Return the answer of each request, which has to be one and no more."""
    with calling(where, BackendLostError):
        found = list(asked.engine.run(asked.work(iter(requests))))
    answers = dict(found)
    expect(
        where, f"{len(requests)} answers, one for each request", len(found), holds=len(found) == len(requests)
    )
    expect(where, "an answer to each request", len(answers), holds=answers.keys() == set(requests))
    return answers


def _check_texts(asked: _Asked, where: str) -> None:
    """Check that each of many requests has its own answer, and the one that fails a failure."""
    prompts = [str(number) for number in range(MANY)]
    prompts.insert(MANY // 3, echo.REFUSED)
    answers = _answered(asked, [GenerateRequest(prompt) for prompt in prompts], where)
    for request, answer in answers.items():
        assert isinstance(request, GenerateRequest)  # noqa: S101 - for the types: nothing else was asked
        if request.prompt != echo.REFUSED:
            text = answer.text if isinstance(answer, Completion) else answer
            expect_same(f"{where}, {request}", "answer as that of its request", f"{request.prompt}!", text)
    why = answers[GenerateRequest(echo.REFUSED)]
    says = isinstance(why, Failure) and echo.REFUSED in why.message
    expect(f"{where}, where one request fails", "a failure that says why", why, holds=says)


def _check_kinds(asked: _Asked, where: str) -> None:
    """Check the answers to requests of all kinds, which come in turn."""
    requests = list(_mixed())
    where = f"{where}, {asked.target}"
    answers = _answered(asked, requests, where)
    for request, expected in _directly(asked.backend, requests):
        same = _same(expected, answers[request])
        expect(
            f"{where}, {request}", f"answer as that of its request, {expected}", answers[request], holds=same
        )


def _mixed() -> Iterator[Request]:
    for number in range(OF_A_KIND):
        yield ScoreRequest("The harbour", f" {number}")
        yield GenerateRequest(f"The house of {number}", Sampling(4))
        yield SecretRequest.of("The key", f" {number}", b"key")
        if number % (OF_A_KIND // 2) == 0:
            yield AttributeRequest(f"The baker of {number} said that", " he", " she")


def _directly(backend: Backend, requests: Sequence[Request]) -> Iterator[tuple[Request, Answer]]:
    """Yield each request with the answer of the backend, which is asked for all of a kind at once."""
    scored: list[tuple[Request, ScoreRequest]] = []
    for request in requests:
        match request:
            case ScoreRequest():
                scored.append((request, request))
            case SecretRequest(in_full=ScoreRequest() as in_full):
                scored.append((request, in_full))
    likelihoods = backend.score([in_full for _, in_full in scored])
    yield from zip((request for request, _ in scored), likelihoods, strict=True)
    written = [request for request in requests if isinstance(request, GenerateRequest)]
    yield from zip(written, backend.generate(written, seed=0), strict=True)
    explained = [request for request in requests if isinstance(request, AttributeRequest)]
    yield from zip(explained, backend.attribute(explained), strict=True)


def _same(expected: Answer, found: Answer) -> bool:
    match expected, found:
        case Likelihood(logprob=first), Likelihood(logprob=second):
            return isclose(first, second, abs_tol=ROUNDING)
        case Completion(text=first), Completion(text=second):
            return first == second
        case Attribution(tokens=first, contrast=one), Attribution(tokens=second, contrast=other):
            return first == second and isclose(one, other, abs_tol=ROUNDING)
    return False


def _check_lost(asked: _Asked, where: str) -> None:
    where = f"{where}, where the model is lost"
    with calling(where, BackendLostError):
        try:
            found: object = list(
                asked.engine.run(asked.work([GenerateRequest("a"), GenerateRequest(echo.LOST)]))
            )
        except BackendLostError:
            return
    expect(where, "BackendLostError", found, holds=False)


def _check_closing(asked: _Asked, where: str) -> None:
    where = f"{where}, closed after an answer"
    taken: list[Request] = []

    def requests() -> Iterator[Request]:
        for request in map(GenerateRequest, map(str, range(100_000))):
            taken.append(request)
            yield request

    with calling(where):
        work = asked.engine.run(asked.work(requests()))
        next(work)
        work.close()
    expect(where, "requests taken as they are sent, not all at once", len(taken), holds=len(taken) < 100_000)
