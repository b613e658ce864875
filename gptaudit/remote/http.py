"""Single HTTP calls with timeouts and a size limit; every failure becomes a `RequestFault`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import aiohttp

from gptaudit.errors import DataError, first_line
from gptaudit.files import parse_json
from gptaudit.remote.faults import NotHttpError, RequestFault, UnreachableError, of_error, of_status

if TYPE_CHECKING:
    from gptaudit.remote.address import Address
    from gptaudit.remote.limits import Pacing
    from gptaudit.remote.options import RemoteOptions

MOST_BYTES = 4 * 2**20
"""Longest answer read; 8,192 tokens with their log-probabilities are under 1 MiB."""

KEEP_ALIVE = 30.0
"""Seconds that an idle connection is kept open."""


class Client:
    """Makes calls to one server over connections that are kept open.

    Redirects are not followed, so that the key is not sent to another host.
    """

    def __init__(self, address: Address, options: RemoteOptions, pacing: Pacing) -> None:
        self._address = address
        self._options = options
        self._pacing = pacing
        self.calls = 0

    async def __aenter__(self) -> Self:
        """Open the session; connections are opened when needed."""
        options = self._options
        given = self._address.headers
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._address.authorization:
            headers["Authorization"] = self._address.authorization
        replaced = {name.lower() for name in given}
        headers = {name: value for name, value in headers.items() if name.lower() not in replaced}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
            timeout=aiohttp.ClientTimeout(total=options.read_timeout, sock_connect=options.connect_timeout),
            headers={**headers, **given},
            trust_env=options.trust_env,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._session.close()

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return the server's answer to a GET request as JSON; raise `RequestFault` if there is none."""
        return await self._call("GET", path, None, 0)

    async def post(self, path: str, body: Mapping[str, Any], tokens: float) -> Any:  # noqa: ANN401 - JSON
        """Return the answer to `body` as JSON, or raise `RequestFault`; `tokens` is an estimate for the rate limit."""
        return await self._call("POST", path, {**self._options.body, **body}, tokens)

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None, tokens: float) -> Any:  # noqa: ANN401
        await self._pacing.take(tokens)
        self.calls += 1
        try:
            async with self._session.request(
                method, self._address.url + path, json=body, allow_redirects=False
            ) as response:
                raw = await _read(response)
        except TimeoutError:
            msg = f"no complete answer within {self._options.read_timeout:g} s"
            raise RequestFault("timeout", msg) from None
        except aiohttp.ClientPayloadError:
            raise RequestFault(
                "truncated-body", "the connection was closed in the middle of the answer"
            ) from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise self._unconnected(error) from None
        return self._decoded(response, raw)

    def _unconnected(self, error: Exception) -> RequestFault:
        said = self._address.redact(first_line(error))
        match error:
            case aiohttp.ClientConnectorDNSError():
                host = self._address.url.split("/")[2]
                return UnreachableError("connection", f"no such host: {host}")
            case aiohttp.ClientProxyConnectionError():
                return UnreachableError("connection", "no connection to the proxy set in the environment")
            case aiohttp.ClientSSLError():
                return UnreachableError("connection", f"TLS failed: {said}")
            case aiohttp.ClientConnectorError():
                cause = os.strerror(error.os_error.errno) if error.os_error.errno else said
                return UnreachableError("connection", f"no connection: {cause}")
            case aiohttp.ClientResponseError():
                return NotHttpError("connection", "the answer is not HTTP")
            case _:
                return RequestFault("connection", "the connection was closed before an answer came")

    def _decoded(self, response: aiohttp.ClientResponse, raw: bytes) -> Any:  # noqa: ANN401
        text = self._address.redact(raw.decode("utf-8", "replace"))
        if not 200 <= response.status < 300:
            raise self._fault(response, _error_words(text))
        if response.content_type == "text/html":
            raise NotHttpError("not-json", "expected JSON, found an HTML page")
        try:
            body = self._address.cleaned(parse_json(raw.decode("utf-8"), "the answer"))
        except UnicodeDecodeError as error:
            msg = f"expected UTF-8, found byte {raw[error.start]:#04x} at offset {error.start} of the answer"
            raise RequestFault("invalid-utf8", msg) from None
        except (DataError, RecursionError) as error:
            msg = f"found {text[:60]!r}: {first_line(error)}"
            raise RequestFault("not-json", msg) from None
        if found := _error_in(body):
            raise self._fault(response, _words_of(found))
        return body

    def _fault(self, response: aiohttp.ClientResponse, words: tuple[str, str, str]) -> RequestFault:
        """Return the fault of an error that came with any status, 200 included."""
        said, code, parameter = (self._address.redact(word) for word in words)
        wait = _retry_after(response.headers.get("Retry-After", ""))
        if 200 <= response.status < 300:
            return of_error(said, code=code, parameter=parameter, wait=wait)
        if 300 <= response.status < 400:
            target = self._address.redact(_without_secrets(response.headers.get("Location", "")))
            said = f"redirects to {target}"
        return of_status(response.status, said, code=code, parameter=parameter, wait=wait)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return a body of at most `MOST_BYTES`; raise `RequestFault` for a longer one."""
    raw = bytearray()
    if (response.content_length or 0) <= MOST_BYTES:
        async for chunk in response.content.iter_any():
            raw += chunk
            if len(raw) > MOST_BYTES:
                break
        else:
            return bytes(raw)
    response.close()
    raise RequestFault(
        "too-large", f"expected an answer of at most {MOST_BYTES // 2**20} MiB, found a longer one"
    )


def _error_in(body: object) -> object:
    """Return the error that stands in the place of an answer, or of one of its choices; None if there is none."""
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    if not choices:
        return body.get("error")
    listed = choices if isinstance(choices, list) else []
    return next(filter(None, (choice.get("error") for choice in listed if isinstance(choice, dict))), None)


def _error_words(text: str) -> tuple[str, str, str]:
    """Return the message, code and parameter of an error's body, in any of the forms that servers use."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split()), "", ""
    return _words_of((found.get("error") or found) if isinstance(found, dict) else found)


def _words_of(error: object) -> tuple[str, str, str]:
    """Return the message, code and parameter of an error."""
    if not isinstance(error, dict):
        return str(error), "", ""
    said = error.get("message") or error.get("detail") or ""
    return str(said), f"{error.get('code')} {error.get('type')}", str(error.get("param") or "")


def _without_secrets(url: str) -> str:
    """Return a URL without user name, password and query."""
    try:
        split = urlsplit(url)
    except ValueError:
        return "an invalid address"
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}{split.path}"


def _retry_after(value: str) -> float | None:
    """Read the header Retry-After, a number of seconds or a date (RFC 9110, section 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
