"""What goes wrong between a request and its answer, each with the one word that is counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "timeout": "no whole answer within read_timeout",
    "connection": "the connection could not be made, or was closed before the answer",
    "truncated-body": "the connection was closed within the answer",
    "rate-limited": "status 429",
    "server-error": "status 5xx, 408, 409 or 425",
    "too-large": "the answer is longer than 4 MiB; the rest was not read",
    "invalid-utf8": "the answer is not UTF-8",
    "not-json": "the answer is not JSON",
    "wrong-schema": "the answer is JSON of another form, or has another number of choices than one",
    "refused-by-server": "another status 4xx: the server does not take this request",
    "context-overflow": "the server says that the prompt is longer than the model's context",
    "content-filter": "the server's filter withheld the prompt or the answer",
    "refusal": "the server put a refusal in the place of an answer",
    "other-model": "the server answered as another model than at the beginning",
    "unsupported-sampling": "the request asks for top_k or top_p, which the server does not heed",
    "no-start-token": "a likelihood without context, which needs the model's start token",
    "no-tokens": "no token of the continuation begins after the context",
    "backend-lost": "status 3xx, 401, 402, 403, 404: the server refuses the key or the model; the audit ends",
}
"""The reasons of a remote `Failure`. `empty` and `not-finite` are the core's own."""

RETRIED: Final = frozenset({"timeout", "connection", "truncated-body", "rate-limited", "server-error"})
"""What may pass by itself."""

SHOWN = 200
"""Characters of a server's own words in a message."""

_OVERFLOW = re.compile(
    r"context.{0,10}(length|size|window)|too many tokens|prompt is too long", re.IGNORECASE
)


@dataclass(eq=False)
class RequestFault(Exception):  # noqa: N818 - it carries the reason of a `Failure`, and is no error of the program
    """A call without a usable answer."""

    reason: str
    message: str
    status: int | None = None
    wait: float | None = None
    """Seconds that the server asks to wait."""
    parameter: str = ""
    """The field of the request that the server names as the cause."""

    def __str__(self) -> str:
        """Say what happened."""
        return self.message

    @property
    def transient(self) -> bool:
        """Whether another attempt may help."""
        return self.reason in RETRIED

    @property
    def congestion(self) -> bool:
        """Whether it says that the server has too much to do."""
        return self.reason in {"timeout", "rate-limited"} or self.status == 503


class UnreachableError(RequestFault):
    """No connection: there is no such host, nobody listens, or TLS fails."""


class NotHttpError(RequestFault):
    """Something answers that is no HTTP server, or another page than was asked for."""


def of_status(status: int, said: str, *, code: str, parameter: str, wait: float | None) -> RequestFault:
    """Return what a status other than 2xx means; `said` and `code` are the server's own words."""
    message = f"status {status}" + (f": {said[:SHOWN]}" if said else "")
    if 300 <= status < 400 or status in {401, 402, 403, 404}:
        return RequestFault("backend-lost", message, status)
    if status == 429:
        return RequestFault("rate-limited", message, status, wait)
    if status >= 500 or status in {408, 409, 425}:
        return RequestFault("server-error", message, status, wait)
    if "content_filter" in code:
        return RequestFault("content-filter", message, status)
    if "context" in code or _OVERFLOW.search(said):
        return RequestFault("context-overflow", message, status)
    return RequestFault("refused-by-server", message, status, parameter=parameter)
