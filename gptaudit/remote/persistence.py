"""Retries with exponential backoff."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from gptaudit.remote.faults import RequestFault

if TYPE_CHECKING:
    from gptaudit.remote.options import RemoteOptions

T = TypeVar("T")

RATE_LIMIT_FACTOR = 4
"""Factor of the first wait after a rate limit without `Retry-After`, which lasts longer than other faults."""


async def persist(
    attempt: Callable[[], Awaitable[T]],
    options: RemoteOptions,
    *,
    retried: Callable[[RequestFault], bool] = lambda fault: fault.transient,
    seconds: float = inf,
) -> T:
    """Return the result of `attempt`, retried if `retried` accepts its fault; raise the last `RequestFault`.

    At most `options.retries` attempts follow the first, and none begins after `seconds`. Waits grow exponentially with
    jitter; a wait that the server asks for is used instead, up to `options.max_wait`.
    """
    retrying = AsyncRetrying(
        stop=stop_after_attempt(options.retries + 1) | stop_after_delay(seconds),
        wait=partial(_wait, options=options),
        retry=retry_if_exception(lambda error: isinstance(error, RequestFault) and retried(error)),
        reraise=True,
    )

    async def once() -> T:
        return await attempt()

    return await retrying(once)


def _wait(state: RetryCallState, options: RemoteOptions) -> float:
    """Return the seconds to wait after a failed attempt."""
    fault = state.outcome.exception() if state.outcome else None
    if isinstance(fault, RequestFault) and fault.wait is not None:
        return min(fault.wait, options.max_wait) + random.uniform(0, options.backoff)
    limited = isinstance(fault, RequestFault) and fault.reason == "rate-limited"
    first = options.backoff * (RATE_LIMIT_FACTOR if limited else 1)
    return (wait_exponential(first, options.max_wait) + wait_random(0, options.backoff))(state)
