"""Conversations in the chat format of the bundled decoder, without its start token."""

from __future__ import annotations

from collections.abc import Sequence


def as_turn(request: str) -> str:
    """Format a request as `CHAT_TEMPLATE` does, up to where the answer begins."""
    return conversation((request,))


def conversation(asked: Sequence[str], answers: Sequence[str] = (), *, system: str = "") -> str:
    """Format a conversation as `CHAT_TEMPLATE` does, up to where the answer to its last message begins.

    `asked` are the user's messages, one more than the answers.
    """
    from gptaudit.decoder.chat import render_prompt
    from gptaudit.decoder.tokenizer import END_OF_TEXT

    ends = (*(f"{answer}{END_OF_TEXT}" for answer in answers), "")
    talk = (render_prompt(message, "") + end for message, end in zip(asked, ends, strict=True))
    return (f"System:\n{system}\n" if system else "") + "".join(talk)
