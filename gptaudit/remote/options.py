"""How a server is asked; kept apart from the client so that the options can be listed without it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

MAY_BE_ZERO = ("requests_per_minute", "tokens_per_minute", "retries", "backoff", "give_up_after")


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """Options of `openai:`, for `-b KEY=VALUE`. Times are in seconds."""

    base_url: str = ""
    """Where the server is, `http://127.0.0.1:8000/v1`; else OPENAI_BASE_URL."""
    api_key_file: str = ""
    """A file that holds the key; else OPENAI_API_KEY."""
    api: Literal["auto", "chat", "completions"] = "auto"
    """How completions are asked for; auto takes chat where the server has it."""
    system: str = ""
    """Stands before every prompt of a chat."""
    bos: str = ""
    """The text of the model's start token, for likelihoods of a text without context."""
    concurrency: int = 32
    """The most requests under way at once; the number in use finds its own level."""
    requests_per_minute: float = 0
    """The most requests in a minute; 0 sets no limit."""
    tokens_per_minute: float = 0
    """The most tokens in a minute, read and written; 0 sets no limit."""
    connect_timeout: float = 5
    """For a connection."""
    read_timeout: float = 40
    """From sending a request to the last byte of its answer."""
    retries: int = 4
    """Attempts after the first, where the fault may pass."""
    backoff: float = 0.5
    """Before the second attempt; it doubles from attempt to attempt."""
    max_wait: float = 60
    """The longest wait before another attempt, whatever the server asks for."""
    give_up_after: float = 30
    """A server that does nothing but fail for so long is given up."""
    trust_env: bool = False
    """Use the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if isinstance(value, str | bool) or value > 0 or (value == 0 and name in MAY_BE_ZERO):
                continue
            msg = f"{name} must be {'at least' if name in MAY_BE_ZERO else 'greater than'} 0, found {value}"
            raise ValueError(msg)
