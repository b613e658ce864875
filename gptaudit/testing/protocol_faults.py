"""Faults of a server: functions that answer a request wrongly; they get the request and the `Retry-After` value."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, TypeAlias

from aiohttp import web

ProtocolFault: TypeAlias = Callable[[web.BaseRequest, str], Awaitable[web.StreamResponse]]

HUGE = 10 * 2**20
"""Bytes of the answer that is too large."""

CHUNK = 2**16

FOREVER = 3600.0
"""Seconds; longer than any client waits."""
DRIP = 0.05
"""Seconds between two bytes of a slow answer."""


def _good(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return a valid reply for chat and completions, with one choice and `changed` fields in it."""
    choice = {
        "text": " a reply",
        "message": {"role": "assistant", "content": " a reply"},
        "finish_reason": "stop",
    }
    return {"model": "toy", "choices": [{**choice, **changed}]}


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> ProtocolFault:
    async def respond(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
        return web.json_response(body, status=status, headers=headers)

    return respond


def _raw(body: bytes, content_type: str = "application/json") -> ProtocolFault:
    async def respond(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
        return web.Response(body=body, content_type=content_type)

    return respond


def _status(status: int, message: str = "", **more: str) -> ProtocolFault:
    return _json({"error": {"message": message or f"injected {status}", "type": "error", **more}}, status)


def _error(**error: Any) -> ProtocolFault:  # noqa: ANN401 - JSON
    """Return an error in the place of an answer, with status 200."""
    return _json({"error": {"message": "injected", **error}})


async def _retry_after(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:
    return await _json({"error": "slow down"}, 429, {"Retry-After": retry_after})(request, retry_after)


async def _retry_date(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=float(retry_after)), usegmt=True)
    return await _json({"error": "slow down"}, 429, {"Retry-After": date})(request, retry_after)


async def _reset(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _begun(request: web.BaseRequest, length: int) -> web.StreamResponse:
    """Send the headers of an answer and its first bytes."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(length)})
    await response.prepare(request)
    await response.write(json.dumps(_good()).encode()[:20])
    return response


async def _reset_in_body(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:
    response = await _begun(request, 1000)
    await asyncio.sleep(DRIP)
    await _reset(request, retry_after)
    return response


async def _cut_body(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
    response = await _begun(request, 1000)
    if request.transport is not None:
        request.transport.close()
    return response


async def _slow_body(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
    response = await _begun(request, 100_000)
    with suppress(ConnectionResetError):  # the client has given up
        for _ in range(100_000):
            await asyncio.sleep(DRIP)
            await response.write(b" ")
    return response


async def _huge_in_chunks(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionResetError):
        for _ in range(HUGE // CHUNK):
            await response.write(b" " * CHUNK)
    return response


async def _hang(request: web.BaseRequest, retry_after: str) -> web.StreamResponse:  # noqa: ARG001
    await asyncio.sleep(FOREVER)
    return web.Response()


_THOUGHT = "<think>\nIt glows.\n</think>\n\nA lantern."
_WHOLE = json.dumps(_good()).encode()

FAULTS: Final[Mapping[str, ProtocolFault]] = {
    "400": _status(400),
    "401": _status(401),
    "403": _status(403),
    "404": _status(404),
    "408": _status(408),
    "422": _status(422),
    "429": _status(429),
    "429-retry-after": _retry_after,
    "429-retry-date": _retry_date,
    "500": _status(500),
    "502-html": _json("<html>bad gateway</html>", 502),
    "503": _status(503),
    "200-503": _error(code=503),
    "200-502-in-choice": _json(_good(error={"message": "injected", "code": "502"}, finish_reason="error")),
    "200-402": _error(code=402),
    "200-rate-limit": _error(code="rate_limit_exceeded"),
    "200-overloaded": _error(type="overloaded_error", code=None),
    "200-no-credit": _error(type="insufficient_quota"),
    "200-text": _json({"error": "injected"}),
    "redirect": _json({}, 307, {"Location": "http://user:word@elsewhere.invalid/v1?key=1"}),
    "reset": _reset,
    "reset-in-body": _reset_in_body,
    "cut-body": _cut_body,
    "slow-body": _slow_body,
    "hang": _hang,
    "cut-json": _raw(_WHOLE[:30]),
    "not-json": _raw(b"{'choices': [,]}"),
    "deep-json": _raw(b"[" * 100_000),
    "html": _raw(b"<html><body>Welcome</body></html>", "text/html"),
    "invalid-utf8": _raw(_WHOLE.replace(b"a reply", b"a r\xe9ply")),
    "huge": _raw(json.dumps(_good(text="x" * HUGE, message={"content": "x" * HUGE})).encode()),
    "huge-in-chunks": _huge_in_chunks,
    "no-choices": _json({"model": "toy", "choices": []}),
    "two-choices": _json({**_good(), "choices": _good()["choices"] * 2}),
    "no-text": _json(_good(text=None, message={"content": 7})),
    "other-json": _json([1, 2, 3]),
    "empty": _json(_good(text="", message={"content": ""})),
    "refusal": _json(
        _good(text="", message={"content": None, "refusal": "I would rather not."}, finish_reason="stop")
    ),
    "filtered-text": _json(
        _good(text="The first step", message={"content": "The first step"}, finish_reason="content_filter")
    ),
    "thought": _json(_good(text=_THOUGHT, message={"content": _THOUGHT})),
    "thought-field": _json(_good(message={"content": "A lantern.", "reasoning_content": "It glows."})),
    "unfinished-thought": _json(
        _good(text="<think>It glows,", message={"content": "<think>It glows,"}, finish_reason="length")
    ),
    "unfinished-thought-field": _json(
        _good(message={"content": None, "reasoning": "It glows,"}, finish_reason="length")
    ),
    "finish-error": _json(_good(finish_reason="error")),
    "content-filter": _json(_good(text="", message={"content": None}, finish_reason="content_filter")),
    "filtered-prompt": _status(400, "the prompt was filtered", code="content_filter"),
    "context-overflow": _status(400, "maximum context length is 16 tokens", code="context_length_exceeded"),
}
"""All faults by name."""

ANSWERED: Final = frozenset({"refusal", "filtered-text", "thought", "thought-field"})
"""Those with which an answer comes that a client must not count as a failure."""
