"""Engine that asks one model, opened in this process."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

from gptaudit.errors import BackendError, BackendLostError
from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import (
    ChoosingBackend,
    ContinuousBackend,
    MixedPrecisionBackend,
    StreamingBackend,
)
from gptaudit.protocols.engine import EngineType, Work
from gptaudit.records import Answer, Failure, Request, request_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptaudit.protocols.backend import Backend

T = TypeVar("T")

FIRST = {"score": 64, "secret": 64, "generate": 16, "choose": 64, "attribute": 1}
"""Most requests in the first backend call of each kind, whose time is not known yet."""
CHUNK = {"score": 512, "secret": 512, "generate": 256, "choose": 512, "attribute": 16}
"""Most requests in one backend call, by kind: in a larger call more requests share prefixes."""
CHUNK_CHARACTERS = 131_072
"""Most characters in the texts of one backend call, unless it is a single request."""
CALL_SECONDS = 10.0
"""Time that a backend call should not exceed, since an interruption loses its answers."""


class Pace:
    """Number of requests in one backend call, doubled and halved by the time that calls take.

    A few fixed sizes, so that two runs of an audit mostly make the same calls: batches differ in their rounding.
    """

    def __init__(self) -> None:
        self.sizes = dict(FIRST)

    def observe(self, kind: str, seconds: float) -> None:
        """Note how long a call took."""
        size = self.sizes[kind]
        if seconds > CALL_SECONDS:
            self.sizes[kind] = max(1, size // 2)
        elif seconds < CALL_SECONDS / 2:
            self.sizes[kind] = min(2 * size, CHUNK[kind])


def local(work: Work) -> Generator[tuple[Request, Answer]]:
    """Answer requests in chunks, or as the backend streams them. See `gptaudit.protocols.engine.Engine`."""
    backend = work.backend
    if isinstance(backend, StreamingBackend):
        yield from backend.stream(work.requests, seed=work.seed)
        return
    pace = Pace()
    for kind, requests in groupby(work.requests, key=lambda request: request.kind):
        if kind == "generate" and isinstance(backend, ContinuousBackend):
            yield from _continuously(backend, requests, work.seed)
            continue
        for chunk in chunks(requests, pace):
            begun = time.monotonic()
            answers = answer_chunk(backend, chunk, work.seed, low_precision=work.low_precision)
            pace.observe(kind, time.monotonic() - begun)
            yield from zip(chunk, answers, strict=True)


def chunks(requests: Iterable[Request], pace: Pace) -> Iterator[list[Request]]:
    """Split requests, in their order, into chunks of one kind and a bounded size."""
    chunk: list[Request] = []
    characters = 0
    for request in requests:
        length = len(request_text(request))
        if chunk and (
            request.kind != chunk[0].kind
            or len(chunk) >= pace.sizes[request.kind]
            or characters + length > CHUNK_CHARACTERS
        ):
            yield chunk
            chunk, characters = [], 0
        chunk.append(request)
        characters += length
    if chunk:
        yield chunk


def _continuously(
    backend: ContinuousBackend, requests: Iterable[Any], seed: int
) -> Iterator[tuple[Request, Answer]]:
    """Answer generate requests; if the call fails, ask each request under way separately."""
    under_way: dict[Any, None] = {}
    left = _noted(requests, under_way)
    while True:
        try:
            for request, answer in backend.generate_continuously(left, seed=seed):
                del under_way[request]
                yield request, answer
        except BackendLostError:
            raise
        except BackendError:
            for request in under_way:
                yield request, answer_chunk(backend, [request], seed)[0]
            under_way.clear()
        else:
            return


def _noted(requests: Iterable[T], taken: dict[T, None]) -> Iterator[T]:
    for request in requests:
        taken[request] = None
        yield request


def answer_chunk(
    backend: Backend, chunk: Sequence[Any], seed: int, *, low_precision: bool = False
) -> Sequence[Answer]:
    """Answer requests of one kind; if the call fails, ask each request separately, so that only bad ones fail."""
    try:
        return _answered(backend, chunk, seed, low_precision=low_precision)
    except BackendLostError:
        raise
    except BackendError as error:
        if len(chunk) == 1:
            return [Failure("backend-error", str(error))]
        return [answer_chunk(backend, [request], seed, low_precision=low_precision)[0] for request in chunk]


def _answered(backend: Backend, chunk: Sequence[Any], seed: int, *, low_precision: bool) -> Sequence[Answer]:
    match chunk[0].kind:
        case "score" if low_precision and isinstance(backend, MixedPrecisionBackend):
            return backend.score_in_low_precision(chunk)
        case "score":
            return backend.score(chunk)
        case "secret":
            with _withheld():
                in_full = [request.in_full for request in chunk]
                return _answered(backend, in_full, seed, low_precision=low_precision)
        case "generate":
            return backend.generate(chunk, seed=seed)
        case "choose" if isinstance(backend, ChoosingBackend):
            return backend.choose(chunk)
        case _:
            return backend.attribute(chunk)


@contextmanager
def _withheld() -> Iterator[None]:
    """Turn what a model raises about secret texts into an error that does not quote them, whatever it was."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - of any kind, since its message and its traceback are kept
        kind = BackendLostError if isinstance(error, BackendLostError) else BackendError
        msg = f"{type(error).__name__}, whose message is withheld, since it may quote a secret text"
    else:
        return
    raise kind(msg)


@hookimpl
def gptaudit_register_engines(register: Callable[[EngineType], None]) -> None:
    """Register the local engine."""
    register(EngineType("local", "one model, opened in this process", local))
