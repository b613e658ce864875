"""How many requests, how fast, and when to stop trying."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from gptaudit.errors import BackendLostError
from gptaudit.remote.faults import RequestFault

FIRST_LEVEL = 8
MOST_FAILURES = 8
"""Attempts that must fail in a row before a server is given up."""


class Level:
    """How many requests are under way at once: more while all goes well, half when the server has too much to do.

    As TCP does it (RFC 5681): it doubles with every round until the first sign of congestion; from then on it grows
    by one a round. Requests that were sent before it was halved say nothing about the new level.
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
        """Halve at a sign of congestion, once for all requests that were `sent` at the same level."""
        if fault.congestion and sent >= self._halved:
            self._level = max(1.0, self._level / 2)
            self._congested = True
            self._halved = time.monotonic()


class Pace:
    """Lets through so many units a minute, evenly: no minute ever sees more."""

    def __init__(self, per_minute: float) -> None:
        self._seconds = 60 / per_minute if per_minute else 0.0
        self._free = 0.0

    async def take(self, units: float) -> None:
        """Wait for the turn of `units` that are about to be used."""
        turn = max(time.monotonic(), self._free)
        self._free = turn + units * self._seconds
        await asyncio.sleep(turn - time.monotonic())

    def correct(self, units: float) -> None:
        """Add what was used beyond what was taken; less than nothing gives it back."""
        self._free += units * self._seconds


class Pacing:
    """The limits that a server's owner sets: requests and tokens a minute."""

    def __init__(self, requests_per_minute: float, tokens_per_minute: float) -> None:
        self._requests = Pace(requests_per_minute)
        self._tokens = Pace(tokens_per_minute)

    async def take(self, tokens: float) -> None:
        """Wait until a request of about so many tokens may be sent."""
        await self._requests.take(1)
        await self._tokens.take(tokens)

    def correct(self, tokens: float) -> None:
        """Say how many more tokens an answer used than were taken for it; fewer than nothing are given back."""
        self._tokens.correct(tokens)


class Breaker:
    """Gives a server up that does nothing but fail, and says what it did."""

    def __init__(self, url: str, patience: float) -> None:
        self._url = url
        self._patience = patience
        self.succeeded()

    def succeeded(self) -> None:
        """Count an answer: all is well."""
        self._since = time.monotonic()
        self._asked_wait = 0.0
        self._reasons: Counter[str] = Counter()

    def failed(self, fault: RequestFault, wait: float) -> None:
        """Count a failed attempt; raise `BackendLostError` for one too many.

        `wait` is how long the server asked to wait: a limit of requests a minute is no reason to give it up.
        """
        self._reasons[fault.reason] += 1
        self._asked_wait = max(self._asked_wait, wait)
        seconds = time.monotonic() - self._since
        failures = self._reasons.total()
        if failures < MOST_FAILURES or seconds < self._patience + self._asked_wait:
            return
        kinds = ", ".join(f"{n} {reason}" for reason, n in self._reasons.most_common())
        msg = (
            f"{self._url}: given up: expected an answer, got none for {seconds:.0f} s in which {failures} attempts "
            f"failed one after another ({kinds}; last: {fault}). Mend the server, then run again to go on"
        )
        raise BackendLostError(msg)
