"""The engine for models in this process: chunk after chunk, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gptaudit.engine.protocol import EngineType
from gptaudit.errors import BackendError
from gptaudit.hookspecs import hookimpl
from gptaudit.records import Answer, Failure, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptaudit.backends.protocol import Backend

CHUNK = 64
"""Requests in one call of the backend: what an interruption may cost."""


def local(backend: Backend, requests: Sequence[Request], seed: int) -> Iterator[tuple[Request, Answer]]:
    """Answer requests in chunks of one kind. See `gptaudit.engine.protocol.Engine`."""
    for kind in dict.fromkeys(request.kind for request in requests):
        of_kind = [request for request in requests if request.kind == kind]
        for start in range(0, len(of_kind), CHUNK):
            chunk = of_kind[start : start + CHUNK]
            yield from zip(chunk, _ask(backend, chunk, seed), strict=True)


def _ask(backend: Backend, chunk: Sequence[Any], seed: int) -> Sequence[Answer]:
    try:
        match chunk[0].kind:
            case "score":
                return backend.score(chunk)
            case "generate":
                return backend.generate(chunk, seed=seed)
            case _:
                return backend.attribute(chunk)
    except BackendError as error:
        if len(chunk) == 1:
            return [Failure("backend-error", str(error))]
        # One bad request must not take its neighbours with it.
        return [_ask(backend, [request], seed)[0] for request in chunk]


@hookimpl
def gptaudit_register_engines(register: Callable[[EngineType], None]) -> None:
    """Register the local engine."""
    register(EngineType("local", "in this process, one chunk at a time", local))
