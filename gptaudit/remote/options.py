"""Options of remote models, in a module of their own so that they can be listed without importing the client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Literal

MAY_BE_ZERO = ("requests_per_minute", "tokens_per_minute", "retries", "backoff", "give_up_after")

OWN_FIELDS = frozenset(
    {"model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k"}
    | {"seed", "stop", "n", "stream", "logprobs", "top_logprobs", "echo"}
)
"""Fields of a request's body that every request sets as the probe needs it."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A token of RFC 9110, section 5.6.2."""


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """Options of `openai:`, for `-b KEY=VALUE`. Times are in seconds."""

    base_url: str = ""
    """Address of the server, such as `http://127.0.0.1:8000/v1`, or of several, separated by commas, that share the
    work; default: OPENAI_BASE_URL."""
    api_key_file: str = ""
    """File with the key; default: OPENAI_API_KEY."""
    api: Literal["auto", "chat", "completions"] = "auto"
    """Endpoint for completions; auto takes chat if the server has it."""
    system: str = ""
    """System message of every chat."""
    fold_system: bool = False
    """Put system messages before the text of the first user's message, for servers that take none."""
    think_end: str = ""
    """Tag that ends the model's thought; default: the well-known tags; none: all text is the answer."""
    header: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Header of every request, written header.NAME=VALUE, in place of the program's own of that name."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """Further field of every request's body, written body.KEY=VALUE; the value is JSON, or else text."""
    bos: str = ""
    """Text of the model's start token, for likelihoods of texts without context."""
    concurrency: int = 32
    """Most requests at once for each server; the actual number adapts to the server."""
    requests_per_minute: float = 0
    """Most requests per minute; 0 for no limit."""
    tokens_per_minute: float = 0
    """Most tokens per minute, of prompts and answers; 0 for no limit."""
    connect_timeout: float = 5
    """Time limit for opening a connection."""
    read_timeout: float = 40
    """Time limit from sending a request to the last byte of its answer."""
    retries: int = 4
    """Attempts after the first, for faults that may be temporary."""
    backoff: float = 0.5
    """Wait before the second attempt; doubles with each further attempt."""
    max_wait: float = 60
    """Longest wait before another attempt, even if the server asks for more."""
    give_up_after: float = 30
    """A server is given up when all attempts have failed for this long."""
    trust_env: bool = False
    """Use the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""

    def __post_init__(self) -> None:
        """Raise `ValueError` for a number out of range, an invalid header, or a field that each request sets itself."""
        for name in (option.name for option in fields(self)):
            value = getattr(self, name)
            if isinstance(value, str | bool | Mapping):
                continue
            if isfinite(value) and (value > 0 or (value == 0 and name in MAY_BE_ZERO)):
                continue
            least = "at least" if name in MAY_BE_ZERO else "greater than"
            msg = f"{name} must be a finite number {least} 0, found {value}"
            raise ValueError(msg)
        for name, value in self.header.items():
            if not _HEADER_NAME.fullmatch(name) or not (value.isascii() and value.isprintable()):
                msg = f"header.{name}: expected a header's name, and a value of printable ASCII characters"
                raise ValueError(msg)
        for name in sorted(OWN_FIELDS.intersection(self.body)):
            msg = f"body.{name}: each request sets this field as its probe needs it; leave it out"
            raise ValueError(msg)
