"""`openai:MODEL`: a model behind any server that speaks OpenAI's protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import Backend, BackendType
from gptaudit.remote.options import RemoteOptions

if TYPE_CHECKING:
    from collections.abc import Callable


def open_openai(rest: str, options: RemoteOptions) -> Backend:
    """Probe the abilities of the server and return the backend; raise `TargetError` if it cannot be used."""
    from gptaudit.remote.backend import open_backend

    return open_backend(rest, options)


@hookimpl
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Register `openai:`."""
    title = "a model behind an OpenAI-compatible server"
    register(BackendType("openai", title, "MODEL", RemoteOptions, open_openai))
