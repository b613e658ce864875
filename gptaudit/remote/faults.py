"""Faults of requests to a server, each with the reason under which it is counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "timeout": "no complete answer within read_timeout",
    "connection": "the connection failed, or was closed before the answer",
    "truncated-body": "the connection was closed in the middle of the answer",
    "rate-limited": "status 429, or an error with status 200 that says so",
    "server-error": "status 5xx, 408, 409 or 425, an error with status 200, or a finish_reason, that says so",
    "error-in-answer": "an error with status 200 that neither names a status nor calls itself temporary",
    "too-large": "the answer is longer than 4 MiB; the rest was not read",
    "invalid-utf8": "the answer is not UTF-8",
    "not-json": "the answer is not JSON",
    "wrong-schema": "the answer is JSON with another schema, or does not have exactly one choice",
    "refused-by-server": "another status 4xx: the server refuses this request",
    "context-overflow": "the server says that the prompt is longer than the model's context",
    "content-filter": "the server's filter withheld the prompt or the answer",
    "unfinished-thought": "the text ended before the model's thought did",
    "thought-fragment": "the end of a thought stands in the answer",
    "other-model": "the answer names another model than the first answers did",
    "unsupported-sampling": "the request sets top_k or top_p, which the server does not apply",
    "no-log-probabilities": "the answer lacks the log-probabilities that were asked for",
    "no-start-token": "the likelihood of a text without context needs the model's start token",
    "no-tokens": "no token of the continuation begins after the context",
    "backend-lost": "status 3xx, 401, 402, 403, 404: the server refuses the key or the model; the audit ends",
}
"""Reasons of a `Failure` of a remote model. The core adds `empty` and `not-finite`."""

RETRIED: Final = frozenset({"timeout", "connection", "truncated-body", "rate-limited", "server-error"})
"""Reasons for which another attempt may succeed."""

SHOWN = 200
"""Longest quotation of a server's text in a message, in characters."""

_OVERFLOW = re.compile(
    r"context.{0,10}(length|size|window)|too many tokens|prompt is too long", re.IGNORECASE
)
_RATE = re.compile(r"rate.?limit|too.?many.?requests", re.IGNORECASE)
_TEMPORARY = re.compile(r"overload|unavailable|server.?error|internal|time.?out", re.IGNORECASE)
_STATUS = re.compile(r"[45]\d\d(?!\S)")


@dataclass(eq=False)
class RequestFault(Exception):  # noqa: N818 - becomes a `Failure`, not an error of the program
    """A call without a usable answer."""

    reason: str
    message: str
    status: int | None = None
    wait: float | None = None
    """Seconds to wait that the server asks for."""
    parameter: str = ""
    """The field of the request that the server names as the cause."""

    def __str__(self) -> str:
        """Return the message."""
        return self.message

    @property
    def transient(self) -> bool:
        """Whether another attempt may succeed."""
        return self.reason in RETRIED

    @property
    def congestion(self) -> bool:
        """Whether it indicates an overloaded server."""
        return self.reason in {"timeout", "rate-limited"} or self.status == 503


class UnreachableError(RequestFault):
    """No connection: the host does not exist, refuses the connection, or TLS fails."""


class NotHttpError(RequestFault):
    """The address does not belong to an HTTP API: the answer is not HTTP, or is an HTML page."""


def of_status(status: int, said: str, *, code: str, parameter: str, wait: float | None) -> RequestFault:
    """Return the fault of a status other than 2xx; `said` and `code` are the server's message and error code."""
    message = f"status {status}" + (f": {said[:SHOWN]}" if said else "")
    if 300 <= status < 400 or status in {401, 402, 403, 404}:
        return RequestFault("backend-lost", message, status)
    if status == 429:
        return RequestFault("rate-limited", message, status, wait)
    if status >= 500 or status in {408, 409, 425}:
        return RequestFault("server-error", message, status, wait)
    reason = _about_the_request(said, code) or "refused-by-server"
    return RequestFault(reason, message, status, parameter=parameter)


def of_error(said: str, *, code: str, parameter: str, wait: float | None) -> RequestFault:
    """Return the fault of an error that came with status 200: that of the status in `code`, if it names one."""
    if named := _STATUS.match(code):
        return of_status(int(named.group()), said, code=code, parameter=parameter, wait=wait)
    message = "an error with status 200" + (f": {said[:SHOWN]}" if said else "")
    reason = _about_the_request(said, code) or "error-in-answer"
    if _RATE.search(code):
        reason = "rate-limited"
    elif _TEMPORARY.search(code):
        reason = "server-error"
    return RequestFault(reason, message, wait=wait, parameter=parameter)


def _about_the_request(said: str, code: str) -> str | None:
    """Return the reason for an error that the text of the request causes, or None."""
    if "content_filter" in code:
        return "content-filter"
    return "context-overflow" if "context" in code or _OVERFLOW.search(said) else None
