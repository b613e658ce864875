"""Sampling completions whose randomness does not depend on the batch they are drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from gptaudit.batches import batches
from gptaudit.causal_lm.encoding import EncodedPrompt, Encoder
from gptaudit.causal_lm.padding import pad
from gptaudit.records import NOT_FINITE, Completion, Failure, Sampling


@dataclass(frozen=True, slots=True)
class Draw:
    """A completion to draw: its prompt, and the number from which alone its randomness comes."""

    prompt: EncodedPrompt
    noise_seed: int


@torch.inference_mode()
def complete(
    model: Any,  # noqa: ANN401 - any causal language model of transformers
    encoder: Encoder,
    draws: Sequence[Draw],
    sampling: Sampling,
    *,
    stop_tokens: frozenset[int],
    token_budget: int,
) -> list[Completion | Failure]:
    """Draw one completion for each, up to the end token, a stop string or `max_new_tokens`."""
    found: dict[int, Completion | Failure] = {}
    lengths = [len(draw.prompt.ids) + sampling.max_new_tokens for draw in draws]
    for batch in batches(lengths, token_budget):
        rows = _Rows(encoder, [draws[i] for i in batch], sampling, stop_tokens)
        _run(model, rows)
        for row, i in enumerate(batch):
            found[i] = rows.completion(row)
    return [found[i] for i in range(len(draws))]


def _run(model: Any, rows: _Rows) -> None:  # noqa: ANN401
    ids, mask = pad([draw.prompt.ids for draw in rows.draws], "left", model.device)
    cache = None
    for _ in range(rows.sampling.max_new_tokens):
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        ids = rows.advance(out.logits[:, -1].float()).to(model.device)[:, None]
        mask = torch.cat([mask, torch.ones_like(ids)], dim=-1)
        if rows.finished:
            return


class _Rows:
    """The completions of one batch while they grow."""

    def __init__(
        self, encoder: Encoder, draws: Sequence[Draw], sampling: Sampling, stop_tokens: frozenset[int]
    ) -> None:
        self.draws = draws
        self.sampling = sampling
        self._encoder = encoder
        self._stop_tokens = stop_tokens
        self._noise = [torch.Generator().manual_seed(draw.noise_seed) for draw in draws]
        self._tokens: list[list[int]] = [[] for _ in draws]
        self._finish: list[Literal["stop", "length", "not-finite"] | None] = [None] * len(draws)
        self._text: list[str] = [""] * len(draws)

    @property
    def finished(self) -> bool:
        """Whether every row has come to its end."""
        return all(self._finish)

    def advance(self, logits: Tensor) -> Tensor:
        """Choose every row's next token from logits (rows, vocabulary); return the tokens (rows,)."""
        chosen = choose(logits.cpu(), self.sampling, self._noise)
        broken = (~logits.amax(-1).isfinite()).tolist()
        for row, token in enumerate(chosen.tolist()):
            if self._finish[row] is None and broken[row]:
                self._finish[row] = "not-finite"
            elif self._finish[row] is None:
                self._append(row, token)
        return chosen

    def completion(self, row: int) -> Completion | Failure:
        """Return what a row has become."""
        prompt = self.draws[row].prompt.ids
        finish = self._finish[row] or "length"
        if finish == "not-finite":
            return NOT_FINITE
        return Completion(self._text[row], finish, len(self._tokens[row]), len(prompt))

    def _append(self, row: int, token: int) -> None:
        if token in self._stop_tokens:
            self._finish[row] = "stop"
            return
        self._tokens[row].append(token)
        text = self._encoder.decode_continuation(self.draws[row].prompt.ids, self._tokens[row])
        ends = [text.index(stop) for stop in self.sampling.stop if stop in text]
        if ends:
            self._finish[row] = "stop"
        elif len(self._tokens[row]) == self.sampling.max_new_tokens:
            self._finish[row] = "length"
        self._text[row] = text[: min(ends)] if ends else text


def choose(logits: Tensor, sampling: Sampling, noise: Sequence[torch.Generator]) -> Tensor:
    """Draw a token for each row of logits (rows, vocabulary), each row with its own source of noise.

    The draw is `argmax(p / e)` with e ~ Exp(1), which is distributed as p (the Gumbel-max trick): the noise of a
    row is the same in any batch. Temperature 0 takes the most likely token. Order: temperature, top-k, top-p.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = _keep_top_p(_keep_top_k(logits / sampling.temperature, sampling.top_k), sampling.top_p)
    exponential = torch.stack(
        [torch.empty(logits.shape[-1]).exponential_(generator=generator) for generator in noise]
    )
    return (logits - exponential.log()).argmax(-1)


def _keep_top_k(logits: Tensor, k: int) -> Tensor:
    if k <= 0 or k >= logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(k, dim=-1).values[:, -1:], -torch.inf)


def _keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of most likely tokens whose probability reaches p (Holtzman et al. 2020)."""
    if p >= 1:
        return logits
    ordered, order = logits.sort(dim=-1, descending=True)
    probability = ordered.softmax(-1)
    beyond = probability.cumsum(-1) - probability >= p
    return logits.masked_fill(beyond.scatter(-1, order, beyond), -torch.inf)
