"""Engine that asks one model, opened in this process."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gptaudit.errors import BackendError, BackendLostError
from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import MixedPrecisionBackend, StreamingBackend
from gptaudit.protocols.engine import EngineType, Work
from gptaudit.records import Answer, Failure, Request, request_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptaudit.protocols.backend import Backend

CHUNK = {"score": 512, "generate": 256, "attribute": 16}
"""Most requests in one backend call, by kind: in a larger call more requests share prefixes, but an interruption loses
more answers."""
CHUNK_CHARACTERS = 131_072
"""Most characters in the texts of one backend call, unless it is a single request."""


def local(work: Work) -> Generator[tuple[Request, Answer]]:
    """Answer requests in chunks, or as the backend streams them. See `gptaudit.protocols.engine.Engine`."""
    if isinstance(work.backend, StreamingBackend):
        yield from work.backend.stream(work.requests, seed=work.seed)
        return
    for chunk in chunks(work.requests):
        yield from zip(
            chunk, answer_chunk(work.backend, chunk, work.seed, low_precision=work.low_precision), strict=True
        )


def chunks(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Split requests, in their order, into chunks of one kind and a bounded size."""
    chunk: list[Request] = []
    characters = 0
    for request in requests:
        length = len(request_text(request))
        full = len(chunk) == CHUNK[request.kind] or characters + length > CHUNK_CHARACTERS
        if chunk and (full or request.kind != chunk[0].kind):
            yield chunk
            chunk, characters = [], 0
        chunk.append(request)
        characters += length
    if chunk:
        yield chunk


def answer_chunk(
    backend: Backend, chunk: Sequence[Any], seed: int, *, low_precision: bool = False
) -> Sequence[Answer]:
    """Answer requests of one kind; if the call fails, ask each request separately, so that only bad ones fail."""
    try:
        match chunk[0].kind:
            case "score" if low_precision and isinstance(backend, MixedPrecisionBackend):
                return backend.score_in_low_precision(chunk)
            case "score":
                return backend.score(chunk)
            case "generate":
                return backend.generate(chunk, seed=seed)
            case _:
                return backend.attribute(chunk)
    except BackendLostError:
        raise
    except BackendError as error:
        if len(chunk) == 1:
            return [Failure("backend-error", str(error))]
        return [answer_chunk(backend, [request], seed, low_precision=low_precision)[0] for request in chunk]


@hookimpl
def gptaudit_register_engines(register: Callable[[EngineType], None]) -> None:
    """Register the local engine."""
    register(EngineType("local", "one model, opened in this process", local))
