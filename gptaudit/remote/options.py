"""Options of remote models, in a module of their own so that they can be listed without importing the client."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

MAY_BE_ZERO = ("requests_per_minute", "tokens_per_minute", "retries", "backoff", "give_up_after")


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """Options of `openai:`, for `-b KEY=VALUE`. Times are in seconds."""

    base_url: str = ""
    """Address of the server, such as `http://127.0.0.1:8000/v1`; default: OPENAI_BASE_URL."""
    api_key_file: str = ""
    """File with the key; default: OPENAI_API_KEY."""
    api: Literal["auto", "chat", "completions"] = "auto"
    """Endpoint for completions; auto takes chat if the server has it."""
    system: str = ""
    """System message of every chat."""
    bos: str = ""
    """Text of the model's start token, for likelihoods of texts without context."""
    concurrency: int = 32
    """Most requests at once; the actual number adapts to the server."""
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
        """Raise `ValueError` for negative numbers, and for zero if an option must be positive."""
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if isinstance(value, str | bool) or value > 0 or (value == 0 and name in MAY_BE_ZERO):
                continue
            msg = f"{name} must be {'at least' if name in MAY_BE_ZERO else 'greater than'} 0, found {value}"
            raise ValueError(msg)
