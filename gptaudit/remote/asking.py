"""Concurrent requests, each retried until it is answered or given up."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from gptaudit.errors import BackendLostError
from gptaudit.records import Answer, Failure, Request
from gptaudit.remote.faults import RequestFault
from gptaudit.remote.limits import Breaker, Level
from gptaudit.remote.persistence import persist

if TYPE_CHECKING:
    from gptaudit.remote.background import Background
    from gptaudit.remote.options import RemoteOptions

T = TypeVar("T")

ALIVE = frozenset({"refused-by-server", "context-overflow", "content-filter"})
"""Reasons for which a single request fails although the server works."""

REMEDIES = {
    401: "The server refuses the key: fix OPENAI_API_KEY or -b api_key_file",
    402: "The account has no credit left: add credit",
    403: "The server refuses the key: fix OPENAI_API_KEY or -b api_key_file",
    404: "The server does not know the model or the path: fix the target or -b base_url",
}
MOVED = "The server redirects: give the final address as -b base_url"


class Attempts:
    """Retries calls, and reports the outcome of each attempt to the level and the breaker."""

    def __init__(self, url: str, options: RemoteOptions) -> None:
        self._url = url
        self._options = options
        self._breaker = Breaker(url, options.give_up_after)
        self.level = Level(options.concurrency)

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T | Failure:
        """Return the result of a call, or the `Failure` of its last attempt.

        Raises `BackendLostError` for a fault that every other request would have too.
        """
        try:
            return await persist(lambda: self._attempt(call), self._options)
        except RequestFault as fault:
            return Failure(fault.reason, fault.message)

    async def _attempt(self, call: Callable[[], Awaitable[T]]) -> T:
        sent = time.monotonic()
        try:
            found = await call()
        except RequestFault as fault:
            self._count(fault, sent)
            raise
        self._breaker.succeeded()
        self.level.succeeded()
        return found

    def _count(self, fault: RequestFault, sent: float) -> None:
        if fault.reason == "backend-lost":
            remedy = REMEDIES.get(fault.status or 0, MOVED)
            msg = f"{self._url}: expected an answer, got {fault}. {remedy}, then run again to continue"
            raise BackendLostError(msg)
        if fault.reason in ALIVE:
            self._breaker.succeeded()
            return
        self.level.failed(fault, sent)
        self._breaker.failed(fault, min(fault.wait or 0.0, self._options.max_wait))


class Pump:
    """Keeps as many requests running as the level allows, and yields answers in the order of their arrival.

    Call its methods in the caller's thread; the requests run in the background thread.
    """

    def __init__(
        self, answer: Callable[[Request], Coroutine[Any, Any, Answer]], level: Level, background: Background
    ) -> None:
        self._answer = answer
        self._level = level
        self._background = background
        self._running = 0
        self._finished: SimpleQueue[tuple[Request, Answer] | Exception] = SimpleQueue()

    def fill(self, requests: Iterator[Request]) -> bool:
        """Start as many requests as the level allows; return whether any are running."""
        for request in islice(requests, max(0, int(self._level) - self._running)):
            self._background.begin(self._run(request))
            self._running += 1
        return self._running > 0

    def answered(self) -> Iterator[tuple[Request, Answer]]:
        """Wait for an answer and yield all that have arrived; then raise the first error that a request raised."""
        errors = []
        for finished in self._all_finished():
            self._running -= 1
            if isinstance(finished, Exception):
                errors.append(finished)
            else:
                yield finished
        if errors:
            raise errors[0]

    def _all_finished(self) -> Iterator[tuple[Request, Answer] | Exception]:
        yield self._finished.get()
        while not self._finished.empty():
            yield self._finished.get()

    async def _run(self, request: Request) -> None:
        try:
            self._finished.put((request, await self._answer(request)))
        except Exception as error:  # noqa: BLE001 - raised again by `answered`
            self._finished.put(error)
