"""Conversations of messages with roles, which may be prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias, get_args

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}

    role: Role
    content: str

    def __post_init__(self) -> None:
        """Raise `ValueError` for an unknown role."""
        if self.role not in get_args(Role):
            msg = f"role: expected one of {', '.join(get_args(Role))}, found {self.role!r}"
            raise ValueError(msg)


Prompt: TypeAlias = str | tuple[Message, ...]
"""A text, which is continued or answered by a chat model, or a conversation, which a chat model continues."""


def messages_of(prompt: Prompt, system: str = "") -> tuple[Message, ...]:
    """Return the conversation that a chat model continues.

    A text is the user's message. `system` comes first, unless the conversation has a system message of its own.
    """
    messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    own = messages[0].role == "system"
    return (Message("system", system), *messages) if system and not own else messages


def folded(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Put the system message before the text of the user's first message, for models that refuse the role."""
    system = [message.content for message in messages if message.role == "system"]
    others = [message for message in messages if message.role != "system"]
    place = next((i for i, message in enumerate(others) if message.role == "user"), None)
    if not system or place is None:
        return tuple(messages)
    others[place] = replace(others[place], content="\n\n".join([*system, others[place].content]))
    return tuple(others)


def prompt_text(prompt: Prompt) -> str:
    """Return a prompt as text for readers, each message of a conversation after its role."""
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message.role}: {message.content}" for message in prompt)


def is_begun(prompt: Prompt) -> bool:
    """Return whether a prompt ends with the beginning of the answer, which the model is to continue."""
    return not isinstance(prompt, str) and bool(prompt) and prompt[-1].role == "assistant"


def conversation_problem(messages: Sequence[Message], *, begun: bool = False) -> str | None:
    """Return why a model cannot continue a conversation of these messages, or None if it can.

    With `begun`, the last one may be the beginning of the model's own answer.
    """
    if not messages:
        return "expected at least one message, found none"
    if begun and messages[-1].role == "assistant":
        if not messages[-1].content.strip() or len(messages) == 1:
            return "expected the beginning of an answer after the user's message, found nothing to continue"
    elif messages[-1].role not in ("user", "tool"):
        return (
            f"expected the last message to be the user's or a tool's, found one of role {messages[-1].role!r}"
        )
    if any(message.role == "system" for message in messages[1:]):
        return "expected a system message at the beginning alone"
    return None
