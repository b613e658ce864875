"""Queue of the requests that are not assigned to a replica."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from gptaudit.engine.local import Pace, chunks
from gptaudit.records import Request

DEATHS = 3
"""Number of workers that may die while answering a chunk, before its requests are asked one by one."""
SMALLEST = 16
"""Fewest requests in a share of a chunk: fewer would not fill the batches of the backend."""


@dataclass(slots=True)
class Chunk:
    """Requests of one kind that are sent in one call."""

    requests: list[Request]
    deaths: int = 0
    """Number of workers that died while answering it."""


class Backlog:
    """Splits a stream of requests into chunks, and takes back chunks that were not answered.

    At most `2 * replicas` chunks are read ahead. At the end of the stream, each call of `take` returns a share of what
    is left (guided self-scheduling, Polychronopoulos and Kuck 1987): the last calls of replicas are short, so that no
    replica works alone for long.
    """

    def __init__(self, requests: Iterable[Request], replicas: int) -> None:
        self.pace = Pace()
        self._chunks = chunks(requests, self.pace)
        self._shares = 2 * replicas
        self._waiting: deque[Chunk] = deque()
        self._ended = False
        self.taken = 0
        """Requests read from the stream."""

    def __bool__(self) -> bool:
        """Return whether any request is left."""
        self._read_ahead()
        return bool(self._waiting)

    def take(self, *, idle: bool = True) -> Chunk | None:
        """Return the next chunk for a replica, or None if there is none for it.

        A chunk during which a worker died goes only to an idle replica: if it kills the next worker too, that worker
        has no other result to lose.
        """
        if not self or (self._waiting[0].deaths and not idle):
            return None
        chunk = self._waiting.popleft()
        if self._ended:
            left = len(chunk.requests) + sum(len(other.requests) for other in self._waiting)
            size = max(SMALLEST, ceil(left / self._shares))
            if len(chunk.requests) > size:
                self._waiting.appendleft(Chunk(chunk.requests[size:], chunk.deaths))
                chunk = Chunk(chunk.requests[:size], chunk.deaths)
        return chunk

    def give_back(self, chunks_: Iterable[Chunk]) -> None:
        """Put chunks back to the front of the queue, in their order."""
        self._waiting.extendleft(reversed(list(chunks_)))

    def lost(self, chunk: Chunk) -> Request | None:
        """Put a chunk back whose worker died; return its request instead if it is the only one and must be given up."""
        chunk.deaths += 1
        if chunk.deaths < DEATHS:
            self.give_back([chunk])
            return None
        if len(chunk.requests) == 1:
            return chunk.requests[0]
        self.give_back(Chunk([request], chunk.deaths) for request in chunk.requests)
        return None

    def _read_ahead(self) -> None:
        while not self._ended and len(self._waiting) < self._shares:
            requests = next(self._chunks, None)
            if requests is None:
                self._ended = True
            else:
                self.taken += len(requests)
                self._waiting.append(Chunk(requests))
