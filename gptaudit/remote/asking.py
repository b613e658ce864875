"""Concurrent requests, each retried until it is answered or given up."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, SupportsInt, TypeVar

from gptaudit.errors import BackendLostError
from gptaudit.records import Answer, Failure, Request
from gptaudit.remote.faults import RequestFault
from gptaudit.remote.http import Client
from gptaudit.remote.limits import Breaker, Level, Pacing
from gptaudit.remote.persistence import persist

if TYPE_CHECKING:
    from gptaudit.remote.address import Address
    from gptaudit.remote.background import Background
    from gptaudit.remote.options import RemoteOptions

log = logging.getLogger("gptaudit")

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


class Server:
    """One of the servers that share the work."""

    def __init__(self, address: Address, options: RemoteOptions, pacing: Pacing) -> None:
        self.client = Client(address, options, pacing)
        self.level = Level(options.concurrency)
        self.lost: BackendLostError | None = None
        """Why it is asked nothing more."""
        self.running = 0
        self._url = address.url
        self._breaker = Breaker(address.url, options.give_up_after)
        self._options = options

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._breaker.failing

    async def attempt(self, call: Callable[[Client], Awaitable[T]]) -> T:
        """Return the result of a call, and report the outcome to the level and the breaker.

        Raises `BackendLostError` for a fault that every other request to this server would have too.
        """
        sent = time.monotonic()
        self.running += 1
        try:
            found = await call(self.client)
        except RequestFault as fault:
            self._count(fault, sent)
            raise
        finally:
            self.running -= 1
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


class Attempts:
    """Retries calls, each attempt at the server that is likeliest to answer it soon."""

    def __init__(self, servers: Sequence[Server], options: RemoteOptions) -> None:
        self._servers = servers
        self._options = options

    def __int__(self) -> int:
        """Return how many requests may run at once."""
        return sum(map(self._room, self._live))

    async def __call__(self, call: Callable[[Client], Awaitable[T]]) -> T | Failure:
        """Return the result of a call, or the `Failure` of its last attempt.

        Raises `BackendLostError` if no server is left.
        """
        failed: Counter[Server] = Counter()
        try:
            return await persist(lambda: self._attempt(call, failed), self._options)
        except RequestFault as fault:
            return Failure(fault.reason, fault.message)

    async def _attempt(self, call: Callable[[Client], Awaitable[T]], failed: Counter[Server]) -> T:
        while True:
            server = self._choose(failed)
            try:
                return await server.attempt(call)
            except RequestFault:
                failed[server] += 1
                raise
            except BackendLostError as error:
                if server.lost is None and len(self._live) > 1:
                    log.warning("%s. The other servers go on", error)
                server.lost = error

    def _choose(self, failed: Counter[Server]) -> Server:
        """Return the server for the next attempt at a call that failed so often at each."""
        if not self._live:
            raise BackendLostError("; ".join(str(server.lost) for server in self._servers))

        def unfit(server: Server) -> tuple[int, bool, bool, float]:
            load = server.running / self._room(server)
            return failed[server], load >= 1, server.failing, load

        return min(self._live, key=unfit)

    @property
    def _live(self) -> list[Server]:
        return [server for server in self._servers if server.lost is None]

    def _room(self, server: Server) -> int:
        """Return how many requests may run at once at a server: one where the last failed, if there are others."""
        return 1 if server.failing and len(self._live) > 1 else int(server.level)


class Pump:
    """Keeps as many requests running as the servers allow, and yields answers in the order of their arrival.

    Call its methods in the caller's thread; the requests run in the background thread.
    """

    def __init__(
        self,
        answer: Callable[[Request], Coroutine[Any, Any, Answer]],
        most: SupportsInt,
        background: Background,
    ) -> None:
        self._answer = answer
        self._most = most
        self._background = background
        self._running = 0
        self._finished: SimpleQueue[tuple[Request, Answer] | Exception] = SimpleQueue()

    def fill(self, requests: Iterator[Request]) -> bool:
        """Start as many requests as `most` allows; return whether any are running."""
        for request in islice(requests, max(0, int(self._most) - self._running)):
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
