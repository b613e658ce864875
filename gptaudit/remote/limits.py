"""Limits of requests: concurrency, rate, and the failures after which a server is given up."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from math import inf

from gptaudit.errors import BackendLostError
from gptaudit.remote.faults import RequestFault

FIRST_LEVEL = 8
"""Requests running at once in the beginning."""
MOST_FAILURES = 8
"""Fewest consecutive failed attempts after which a server is given up."""
SLOW = ", or if it is only slow, add -b concurrency=1 and a longer -b read_timeout=SECONDS"
"""What to do about answers that come too late."""


class Level:
    """Number of requests running at once: grows with each success, and halves when the server is overloaded.

    As in TCP congestion control (RFC 5681): it doubles every round trip until the first sign of congestion, and then
    grows by one per round trip. Requests sent before it was halved do not halve it again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._level = float(min(FIRST_LEVEL, most))
        self._congested = False
        self._halved = 0.0

    def __int__(self) -> int:
        return int(self._level)

    def succeeded(self) -> None:
        """Count an answer."""
        self._level = min(self._most, self._level + (1 / self._level if self._congested else 1))

    def failed(self, fault: RequestFault, sent: float) -> None:
        """Halve at a sign of congestion, but only once for all requests `sent` before that."""
        if fault.congestion and sent >= self._halved:
            self._level = max(1.0, self._level / 2)
            self._congested = True
            self._halved = time.monotonic()


class Pace:
    """Rate limit in units per minute, spread evenly, so that no minute has more."""

    def __init__(self, per_minute: float) -> None:
        self._seconds = 60 / per_minute if per_minute else 0.0
        self._free = 0.0

    async def take(self, units: float) -> None:
        """Wait until `units` may be used."""
        turn = max(time.monotonic(), self._free)
        self._free = turn + units * self._seconds
        await asyncio.sleep(turn - time.monotonic())

    def correct(self, units: float) -> None:
        """Add units that were used beyond those taken; a negative number returns unused ones."""
        self._free += units * self._seconds


class Pacing:
    """Rate limits of a server: requests and tokens per minute."""

    def __init__(self, requests_per_minute: float, tokens_per_minute: float) -> None:
        self._requests = Pace(requests_per_minute)
        self._tokens = Pace(tokens_per_minute)

    async def take(self, tokens: float) -> None:
        """Wait until a request of about this many tokens may be sent."""
        await self._requests.take(1)
        await self._tokens.take(tokens)

    def correct(self, tokens: float) -> None:
        """Add tokens that an answer used beyond those taken for it; a negative number returns unused ones."""
        self._tokens.correct(tokens)


class Breaker:
    """Gives up a server whose attempts all fail, with an error that sums up the faults."""

    def __init__(self, url: str, patience: float) -> None:
        self._url = url
        self._patience = patience
        self.succeeded()

    def succeeded(self) -> None:
        """Count an answer, which resets the failures."""
        self._first_failed = inf
        self._asked_wait = 0.0
        self._reasons: Counter[str] = Counter()

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self._reasons.total() > 0

    def failed(self, fault: RequestFault, wait: float) -> None:
        """Count a failed attempt; raise `BackendLostError` if there were too many for too long.

        The time begins with the first failure and not with the last answer: requests that were under way together time
        out together, and say no more than one of them. `wait` is how long the server asked to wait; this time is added,
        since a rate limit is no reason to give up.
        """
        now = time.monotonic()
        self._first_failed = min(self._first_failed, now)
        self._reasons[fault.reason] += 1
        self._asked_wait = max(self._asked_wait, wait)
        seconds = now - self._first_failed
        failures = self._reasons.total()
        if failures < MOST_FAILURES or seconds < self._patience + self._asked_wait:
            return
        kinds = ", ".join(f"{n} {reason}" for reason, n in self._reasons.most_common())
        slow = SLOW if self._reasons["timeout"] else ""
        msg = (
            f"{self._url}: given up: expected an answer, but {failures} attempts failed one after another in "
            f"{seconds:.0f} s ({kinds}; last: {fault}). Fix the server{slow}, then run again to continue"
        )
        raise BackendLostError(msg)
