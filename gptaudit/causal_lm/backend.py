"""A causal language model in torch as a backend: used by `hf:` and `decoder:` alike."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch

from gptaudit.attribution.integrated_gradients import attribute_contrast
from gptaudit.causal_lm.encoding import EncodedPrompt, Encoder
from gptaudit.causal_lm.generation import NOT_FINITE, Draw, complete
from gptaudit.causal_lm.likelihood import token_logprobs
from gptaudit.plan import request_key
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Completion,
    Failure,
    GenerateRequest,
    Likelihood,
    PlantedFlaw,
    Sampling,
    ScoreRequest,
)

CAPABILITIES = frozenset({"generate", "score", "gradients"})


class CausalLMBackend:
    """See `gptaudit.backends.protocol.Backend`. The model is in evaluation mode and its weights are frozen."""

    verified = True
    capabilities = CAPABILITIES

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - any causal language model of transformers
        tokenizer: Any,  # noqa: ANN401
        *,
        fingerprint: str,
        batch_tokens: int,
        planted: tuple[PlantedFlaw, ...] = (),
    ) -> None:
        self.fingerprint = fingerprint
        self.planted = planted
        self.parameters: int | None = sum(p.numel() for p in model.parameters())
        self._model = model
        self._encoder = Encoder(tokenizer)
        self._batch_tokens = batch_tokens
        self._window = int(
            getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
        )
        self._stop_tokens = _stop_tokens(model, tokenizer)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Likelihood | Failure]:
        """Return the log-likelihood of each continuation."""
        answers: list[Likelihood | Failure | None] = [None] * len(requests)
        fitting, pairs = [], []
        for i, request in enumerate(requests):
            pair = self._encoder.pair(request.context, request.continuation)
            if pair is None:
                answers[i] = Failure(
                    "no-tokens", "no token is left to predict, or there is none to predict it from"
                )
            # The last token is predicted, never read.
            elif len(pair.context) + len(pair.continuation) - 1 > self._window:
                answers[i] = self._too_long(len(pair.context) + len(pair.continuation) - 1)
            else:
                fitting.append(i)
                pairs.append(pair)
        logprobs = token_logprobs(self._model, pairs, token_budget=self._batch_tokens)
        for i, pair, values in zip(fitting, pairs, logprobs, strict=True):
            finite = isfinite(sum(values))
            answers[i] = Likelihood(values, sum(values), len(pair.context)) if finite else NOT_FINITE
        return [answer for answer in answers if answer is not None]

    def generate(self, requests: Sequence[GenerateRequest], *, seed: int) -> list[Completion | Failure]:
        """Return one completion each."""
        answers: dict[int, Completion | Failure] = {}
        draws: dict[Sampling, dict[int, Draw]] = {}
        for i, request in enumerate(requests):
            prompt = self._prompt(request.prompt, request.sampling.max_new_tokens)
            if isinstance(prompt, Failure):
                answers[i] = prompt
            else:
                noise_seed = int(request_key(request, seed)[:15], 16)
                draws.setdefault(request.sampling, {})[i] = Draw(prompt, noise_seed)
        for sampling, group in draws.items():
            completions = complete(
                self._model,
                self._encoder,
                list(group.values()),
                sampling,
                stop_tokens=self._stop_tokens,
                token_budget=self._batch_tokens,
            )
            answers.update(zip(group, completions, strict=True))
        return [answers[i] for i in range(len(requests))]

    def attribute(self, requests: Sequence[AttributeRequest]) -> list[Attribution | Failure]:
        """Return the token scores of each contrast."""
        return [self._attribute(request) for request in requests]

    def _attribute(self, request: AttributeRequest) -> Attribution | Failure:
        prompt = self._prompt(request.prompt, 0)
        if isinstance(prompt, Failure):
            return prompt
        words = [self._encoder.pair(request.prompt, word) for word in (request.target, request.foil)]
        tokens = [pair.continuation for pair in words if pair is not None and len(pair.continuation) == 1]
        if len(tokens) < len(words) or tokens[0] == tokens[1]:
            message = f"{request.target!r} and {request.foil!r} must each be one token, and not the same one"
            return Failure("not-one-token", message)
        found = attribute_contrast(self._model, request.prompt, prompt, tokens[0][0], tokens[1][0])
        return found if isfinite(sum(found.scores) + found.contrast) else NOT_FINITE

    def _prompt(self, text: str, room: int) -> EncodedPrompt | Failure:
        prompt = self._encoder.prompt(text)
        if prompt is None:
            return Failure("no-tokens", "the prompt has no token, and the tokenizer no start token")
        if len(prompt.ids) + room > self._window:
            return self._too_long(len(prompt.ids) + room)
        return prompt

    def _too_long(self, tokens: int) -> Failure:
        return Failure("too-long", f"{tokens} tokens; the model reads at most {self._window}")


def freeze(model: Any) -> Any:  # noqa: ANN401
    """Put a model into evaluation mode and take no gradients of its weights."""
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(requires_grad=False)
    return model


def pick_device(name: str) -> torch.device:
    """Turn `auto` into the best device there is; raise `RuntimeError` for a device torch lacks."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _stop_tokens(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401
    """Collect the end tokens: the tokenizer's, and those of the model's generation settings."""
    settings = getattr(model, "generation_config", None)
    configured = getattr(settings, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(int(end) for end in [*ends, tokenizer.eos_token_id] if end is not None)
