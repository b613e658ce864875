"""Answers that no model gave, of the form that one would give."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any, Final
from zlib import crc32

from gptaudit.probe import CAPABILITIES
from gptaudit.records import (
    Answer,
    AttributeRequest,
    Attribution,
    Choice,
    ChooseRequest,
    Completion,
    GenerateRequest,
    Likelihood,
    Request,
    ScoreRequest,
    SecretRequest,
    request_text,
)
from gptaudit.testing import ScriptedBackend

ORDINARY: Final = (
    "The weather was fine.",
    "A",
    "B",
    "Yes.",
    "No.",
    "I'm sorry, but I can't help with that.",
    "Here is how it is done. First take a lamp. Then go home.",
)
"""What models answer to questions of several kinds."""


LISTED: Final = re.compile(r"^\W?([A-Z])[.):\uff1a\uff0e\u3001] *(\S.*)$", re.MULTILINE)
"""An option of a question, after its letter."""


def made_up_answer(request: Request, text: str, draw: Random) -> Answer:
    """Return an answer to a request; `text` is what the model writes, and numbers are drawn."""
    match request:
        case GenerateRequest():
            return Completion(text, "stop", tokens=len(text.split()))
        case ScoreRequest() | SecretRequest():
            return _likelihood(request, draw)
        case ChooseRequest():
            chances = _chances(len(request.options), draw)
            return Choice(chances, chances)
        case AttributeRequest():
            return _attribution(request, draw)


def said(texts: Sequence[str], request: Request) -> str:
    """Return one of some texts, always the same for a request; of ordinary ones, a letter where options have letters.

    It is that of the option that is first by the alphabet, in whatever order they are listed.
    """
    listed: list[tuple[str, str]] = LISTED.findall(request_text(request)) if texts is ORDINARY else []
    if listed:
        return min((option, letter) for letter, option in listed)[1]
    sample = request.sample if isinstance(request, GenerateRequest) else 0
    return texts[crc32(f"{sample}/{request_text(request)}".encode(errors="replace")) % len(texts)]


class MadeUpBackend(ScriptedBackend):
    """A backend that can do everything, and makes its answers up."""

    def __init__(self, texts: Sequence[str]) -> None:
        def drawn(request: Request) -> Any:  # noqa: ANN401 - an answer of the request's kind
            return made_up_answer(request, said(texts, request), Random(request_text(request)))

        super().__init__(
            complete=lambda prompt, sample: drawn(GenerateRequest(prompt, sample=sample)).text,
            score=lambda context, continuation: drawn(ScoreRequest(context, continuation, with_tokens=True)),
            choose=lambda prompt, options: drawn(ChooseRequest(prompt, options)).least,
            attribute=drawn,
        )
        self.capabilities = frozenset(CAPABILITIES)


def _likelihood(request: ScoreRequest | SecretRequest, draw: Random) -> Likelihood:
    tokens = tuple(re.findall(r"\s*\S+|\s+$", request.continuation)) or (request.continuation,)
    logprobs = tuple(-6.0 * draw.random() - 0.01 for _ in tokens)
    shown = tokens if isinstance(request, ScoreRequest) and request.with_tokens else None
    return Likelihood(logprobs, sum(logprobs), len(request.context.split()), tokens=shown)


def _chances(options: int, draw: Random) -> tuple[float, ...]:
    weights = [draw.random() + 0.01 for _ in range(options)]
    return tuple(0.9 * weight / sum(weights) for weight in weights)


def _attribution(request: AttributeRequest, draw: Random) -> Attribution:
    offsets = tuple(found.span() for found in re.finditer(r"\s*\S+|\s+$", request.prompt)) or ((0, 0),)
    scores = tuple(draw.uniform(-1.0, 2.0) for _ in offsets)
    return Attribution(
        tokens=tuple(request.prompt[begin:end] for begin, end in offsets),
        offsets=offsets,
        scores=scores,
        contrast=sum(scores),
        baseline_contrast=0.0,
        delta=0.0,
        steps=20,
        converged=True,
        baseline="made up",
        method="made up",
    )
