"""Address and credentials of a server."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from gptaudit.errors import TargetError
from gptaudit.files import read_text, user_path
from gptaudit.text import well_formed

if TYPE_CHECKING:
    from gptaudit.remote.options import RemoteOptions

URL_VARIABLE = "OPENAI_BASE_URL"
KEY_VARIABLE = "OPENAI_API_KEY"

SHORTEST_SECRET = 4
"""Characters; shorter strings occur in many texts and are not redacted."""
SHORTEST_HEADER = 6
"""The same for headers of `-b header.NAME`, which need not be secrets: answers contain words such as `true`."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server's address without secrets, and the secrets separately."""

    url: str
    """Without a slash at its end, user name or password."""
    authorization: str = field(default="", repr=False)
    """Value of the Authorization header; empty for none."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further headers, which replace others of the same name."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Strings that no message may show, unescaped and as JSON may escape them."""

    def redact(self, text: str) -> str:
        """Replace every secret by stars: a server may echo what it receives."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return well_formed(text)

    def cleaned(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Redact all strings of a parsed JSON value."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list):
            return [self.cleaned(item) for item in value]
        if isinstance(value, dict):
            return {self.redact(key): self.cleaned(item) for key, item in value.items()}
        return value


def find_addresses(options: RemoteOptions, environment: Mapping[str, str]) -> list[Address]:
    """Return the addresses from the options and the environment; raise `TargetError` if one is missing or invalid."""
    given = options.base_url or environment.get(URL_VARIABLE, "")
    where = "-b base_url" if options.base_url else URL_VARIABLE
    if not given:
        msg = (
            "openai: no server given: expected -b base_url=URL or OPENAI_BASE_URL, for example "
            "http://127.0.0.1:8000/v1 for a local server, or https://api.openai.com/v1"
        )
        raise TargetError(msg)
    addresses = [_find_address(url, where, options, environment) for url in given.split(",")]
    urls = [address.url for address in addresses]
    if twice := next((url for url in urls if urls.count(url) > 1), None):
        msg = f"{where}: expected different servers, found {twice} twice"
        raise TargetError(msg)
    return addresses


def _find_address(given: str, where: str, options: RemoteOptions, environment: Mapping[str, str]) -> Address:
    url, split = _url(given, where)
    login = (unquote(split.username or ""), unquote(split.password or ""))
    if any(login) and options.base_url:
        msg = f"{where}: a user name and password are not allowed on the command line; put the URL into {URL_VARIABLE}"
        raise TargetError(msg)
    key = _key(options, environment)
    if any(login) and key:
        msg = f"expected either a key, or a user name and password in {URL_VARIABLE}; found both"
        raise TargetError(msg)
    if any(login):
        basic = b64encode(":".join(login).encode()).decode()
        return _address(url, f"Basic {basic}", options.header, (basic, login[1], split.password or ""))
    return _address(url, f"Bearer {key}" if key else "", options.header, (key,))


def _address(url: str, authorization: str, headers: Mapping[str, str], secrets: tuple[str, ...]) -> Address:
    long = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    long += [part for value in headers.values() for part in _parts(value) if len(part) >= SHORTEST_HEADER]
    escaped = [form for s in long for form in (s, json.dumps(s)[1:-1], s.replace("/", "\\/"))]
    return Address(url, authorization, headers, tuple(sorted(set(escaped), key=len, reverse=True)))


def _parts(value: str) -> tuple[str, ...]:
    """Return a header's value and its words: a server may repeat only `abc` of `Bearer abc` or `session=abc`."""
    return (value, *re.split(r"[\s;,=]+", value))


def _url(given: str, where: str) -> tuple[str, SplitResult]:
    """Return a URL without user name and password, and its parts; a refused one that may contain them is not shown."""
    try:
        split = urlsplit(given.strip())
        host, port = split.hostname, split.port
        if host and ":" not in host:
            host.encode("idna")
    except ValueError:
        host, port, split = None, None, urlsplit("")
    if split.scheme not in {"http", "https"} or not host or split.query or split.fragment:
        shown = "" if {*given} & set("@?#") else f", found {given!r}"
        msg = f"{where}: expected http://HOST:PORT/v1 or https://HOST/v1, without a query{shown}"
        raise TargetError(msg)
    name = f"[{host}]" if ":" in host else host
    return f"{split.scheme}://{name}{f':{port}' if port else ''}{split.path.rstrip('/')}", split


def _key(options: RemoteOptions, environment: Mapping[str, str]) -> str:
    if options.api_key_file:
        where = f"-b api_key_file={options.api_key_file}"
        key = read_text(user_path(options.api_key_file, error=TargetError), error=TargetError).strip()
    else:
        where, key = KEY_VARIABLE, environment.get(KEY_VARIABLE, "").strip()
    if (options.api_key_file and not key) or not key.isascii() or not key.isprintable() or " " in key:
        msg = f"{where}: expected a key of printable ASCII characters without spaces, and nothing else"
        raise TargetError(msg)
    return key
