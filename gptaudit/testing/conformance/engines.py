"""The check of engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from gptaudit.errors import BackendError, BackendLostError
from gptaudit.protocols.engine import EngineType, Work
from gptaudit.records import (
    Answer,
    ChooseRequest,
    Failure,
    GenerateRequest,
    Request,
    ScoreRequest,
    SecretRequest,
)
from gptaudit.testing import ScriptedBackend
from gptaudit.testing.conformance.expecting import calling, expect, expect_registrable, expect_same

MANY: Final = 700
"""Requests of each kind, more than an engine sends in one call."""


def check_engine(engine: EngineType) -> None:
    """Check an engine that asks the backend it is given, in this process.

    Each request gets its own answer, once, in whatever order kinds come; a request that fails costs no other its
    answer; a model that is lost ends the work with `BackendLostError`; a work without requests has no answers; requests
    are taken as they can be sent, and no more once the work is closed.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    expect_registrable("engines", engine, "name")
    where = f"engine {engine.name!r}"
    with calling(where):
        settings = engine.options()
        none = list(engine.run(Work((), 0, _echo(), settings=settings)))
    expect(f"{where}, no requests", "no answers", none, holds=none == [])
    requests = list(_mixed(MANY))
    answers = _answered(engine, requests, _echo(), settings, where)
    for request, answer in answers.items():
        expect_same(f"{where}, {request}", "answer as that of its request", _expected(request), answer)
    _check_failing(engine, settings, where)
    _check_lost(engine, settings, where)
    _check_closing(engine, settings, where)


def _mixed(many: int) -> Iterator[Request]:
    for number in range(many):
        yield ScoreRequest("", str(number))
        yield GenerateRequest(str(number))
        if number % 5 == 0:
            yield SecretRequest.of("", str(number), b"key")
        if number % 7 == 0:
            yield ChooseRequest(str(number), ("A", "B"))


def _echo() -> ScriptedBackend:
    return ScriptedBackend(
        complete=lambda prompt, sample: f"{prompt}!",  # noqa: ARG005
        score=lambda context, continuation: -float(continuation),  # noqa: ARG005
        choose=lambda prompt, options: [1 / (1 + float(prompt)), 0.0],  # noqa: ARG005
    )


def _expected(request: Request) -> Answer:
    """Return the answer to a request when it is asked alone."""
    backend = _echo()
    match request:
        case ScoreRequest():
            return backend.score([request])[0]
        case SecretRequest(in_full=ScoreRequest() as in_full):
            return backend.score([in_full])[0]
        case ChooseRequest():
            return backend.choose([request])[0]
        case GenerateRequest():
            return backend.generate([request], seed=0)[0]
    raise TypeError(request.kind)


def _answered(
    engine: EngineType, requests: Iterable[Request], backend: ScriptedBackend, settings: object, where: str
) -> dict[Request, Answer]:
    """Return the answer of each request, which has to be one and no more."""
    asked = list(requests)
    with calling(where, BackendLostError):
        found = list(engine.run(Work(iter(asked), 0, backend, settings=settings)))
    answers = dict(found)
    expect(where, f"{len(asked)} answers, one for each request", len(found), holds=len(found) == len(asked))
    expect(where, "an answer to each request", len(answers), holds=answers.keys() == set(asked))
    return answers


def _check_failing(engine: EngineType, settings: object, where: str) -> None:
    where = f"{where}, where one request fails"

    def complete(prompt: str, sample: int) -> str:  # noqa: ARG001
        if prompt == "5":
            msg = "refuses 5"
            raise BackendError(msg)
        return prompt

    requests = [GenerateRequest(str(number)) for number in range(9)]
    answers = _answered(engine, requests, ScriptedBackend(complete=complete), settings, where)
    failed = [r for r in requests if isinstance(answers[r], Failure)]
    expect(where, "a failure of that one alone", failed, holds=failed == requests[5:6])
    why = answers[requests[5]]
    expect(
        where, "a failure that says why", why, holds=isinstance(why, Failure) and "refuses 5" in why.message
    )


def _check_lost(engine: EngineType, settings: object, where: str) -> None:
    where = f"{where}, where the model is lost"

    def complete(prompt: str, sample: int) -> str:  # noqa: ARG001
        msg = "the server is gone"
        raise BackendLostError(msg)

    work = Work(
        [GenerateRequest("a"), GenerateRequest("b")], 0, ScriptedBackend(complete=complete), settings=settings
    )
    with calling(where, BackendLostError):
        try:
            found: object = list(engine.run(work))
        except BackendLostError:
            return
    expect(where, "BackendLostError", found, holds=False)


def _check_closing(engine: EngineType, settings: object, where: str) -> None:
    where = f"{where}, closed after an answer"
    taken: list[Request] = []

    def requests() -> Iterator[Request]:
        for request in map(GenerateRequest, map(str, range(100_000))):
            taken.append(request)
            yield request

    with calling(where):
        work = engine.run(Work(requests(), 0, _echo(), settings=settings))
        next(work)
        work.close()
    expect(where, "requests taken as they are sent, not all at once", len(taken), holds=len(taken) < 100_000)
