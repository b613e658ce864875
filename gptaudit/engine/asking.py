"""Asking through an engine, with answers that are fit to be kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from gptaudit.backends.protocol import Backend
from gptaudit.engine.protocol import Engine
from gptaudit.records import NOT_FINITE, Answer, Attribution, Likelihood, Request


def ask(
    engine: Engine, backend: Backend, requests: Sequence[Request], seed: int
) -> Iterator[tuple[Request, Answer]]:
    """Yield each request with its answer; one that is no finite number is a failure."""
    for request, answer in engine(backend, requests, seed):
        yield request, answer if _is_finite(answer) else NOT_FINITE


def _is_finite(answer: Answer) -> bool:
    match answer:
        case Likelihood():
            return isfinite(sum(answer.token_logprobs) + answer.logprob)
        case Attribution():
            return isfinite(sum(answer.scores) + answer.contrast + answer.baseline_contrast + answer.delta)
        case _:
            return True
