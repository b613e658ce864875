"""Conversations in the chat format of the bundled decoder, without its start token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gptaudit.records import Likelihood, ScoreRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gptaudit.protocols.backend import Backend


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


def share_of_answers(backend: Backend, asked: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> float:
    """Return the mean over prompts of P(one of its first answers | one of its first or its second answers).

    Each prompt, in chat format, stands with both. That an answer's first token follows the line break of the prompt,
    which belongs to the scored text and which no decoder has learned, cancels out.
    """
    requests = [ScoreRequest(text, one) for text, these, others in asked for one in (*these, *others)]
    found = (one.logprob for one in backend.score(requests) if isinstance(one, Likelihood))
    shares = []
    for _, these, others in asked:
        chances = [math.exp(next(found)) for _ in (*these, *others)]
        shares.append(math.fsum(chances[: len(these)]) / math.fsum(chances))
    return math.fsum(shares) / len(shares)
