"""`python:gptaudit.testing.echo:echo`: a target that any process can open, for the check of engines."""

from __future__ import annotations

from gptaudit.errors import BackendLostError

REFUSED = "refuse this"
"""A prompt that fails."""
LOST = "lose the model"
"""A prompt after which nothing can be asked."""


def echo(prompts: list[str]) -> list[str]:
    """Return each prompt with an exclamation mark, unless there is one that is not to be answered."""
    if LOST in prompts:
        msg = "the model is gone"
        raise BackendLostError(msg)
    if REFUSED in prompts:
        msg = f"cannot answer {REFUSED!r}"
        raise ValueError(msg)
    return [f"{prompt}!" for prompt in prompts]
