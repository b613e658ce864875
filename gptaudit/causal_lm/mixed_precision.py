"""Log-likelihoods in bfloat16, and in float32 if rounding could change a decision: `-b precision=auto`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, sqrt
from typing import Any

import torch

from gptaudit.causal_lm.backend import CausalLMBackend
from gptaudit.causal_lm.likelihood import LikelihoodScorer
from gptaudit.records import Failure, Likelihood, ScoreRequest

FIRST_COMPARED = 64
COMPARED = 32
"""Requests computed in both precisions, to estimate the rounding error: at most 64 of the first call, later 1 in 32."""
DEVIATIONS = 4.0
"""Standard deviations of the rounding that an answer's `error` covers. Rounding is a sum of many small errors, so it is
close to normal; the two errors of a comparison, which `Probe.is_open` adds, are 5.7 standard deviations of it."""


class MixedPrecisionCausalLMBackend(CausalLMBackend):
    """A `MixedPrecisionBackend` with bfloat16. The rounding of a sum grows with the square root of its tokens."""

    def __init__(self, model: Any, tokenizer: Any, *, batch_tokens: int, **given: Any) -> None:  # noqa: ANN401
        super().__init__(model, tokenizer, batch_tokens=batch_tokens, **given)
        self._rough = LikelihoodScorer(
            copy.deepcopy(model).to(torch.bfloat16), batch_tokens=batch_tokens, widest_tree=self._widest_tree
        )
        self._squares = 0.0
        self._compared = 0
        self.details = {**self.details, "precision": "bfloat16, and float32 where a decision is open"}

    def score_in_low_precision(self, requests: Sequence[ScoreRequest]) -> list[Likelihood | Failure]:
        """Return log-likelihoods with their errors; the ones computed in both precisions are exact and have none."""
        if len(requests) <= FIRST_COMPARED and not self._compared:
            return self.score(requests)
        step = COMPARED if self._compared else ceil(len(requests) / FIRST_COMPARED)
        both = range(0, len(requests), step)
        answers = self._likelihoods(requests, self._rough)
        for i, exact in zip(both, self.score([requests[i] for i in both]), strict=True):
            self._compare(answers[i], exact)
            answers[i] = exact
        if not self._compared:
            return self.score(requests)
        return [
            replace(a, error=self._error(a)) if isinstance(a, Likelihood) and i % step else a
            for i, a in enumerate(answers)
        ]

    def _compare(self, rough: Likelihood | Failure, exact: Likelihood | Failure) -> None:
        if isinstance(rough, Likelihood) and isinstance(exact, Likelihood):
            self._squares += (rough.logprob - exact.logprob) ** 2 / len(exact.token_logprobs)
            self._compared += 1

    def _error(self, rough: Likelihood) -> float:
        return DEVIATIONS * sqrt(self._squares / self._compared * len(rough.token_logprobs))
