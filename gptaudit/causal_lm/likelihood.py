"""Log-likelihood of continuations, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gptaudit.batches import batches
from gptaudit.causal_lm.encoding import EncodedPair
from gptaudit.causal_lm.padding import pad


@torch.inference_mode()
def token_logprobs(
    model: Any,  # noqa: ANN401 - any causal language model of transformers
    pairs: Sequence[EncodedPair],
    *,
    token_budget: int,
) -> list[tuple[float, ...]]:
    """Return log P(token | all before it) of every continuation token, in nats.

    The logits are taken at the places that predict a continuation token and normalised there alone, in float32.
    """
    rows = [[*pair.context, *pair.continuation][:-1] for pair in pairs]
    found: list[tuple[float, ...]] = [()] * len(pairs)
    for batch in batches([len(row) for row in rows], token_budget):
        ids, mask = pad([rows[i] for i in batch], "right", model.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits  # (B, T, V)
        for row, i in enumerate(batch):
            first = len(pairs[i].context) - 1
            predicting = logits[row, first : first + len(pairs[i].continuation)].float()  # (tokens, V)
            found[i] = tuple(_gather(predicting, pairs[i].continuation))
    return found


def _gather(logits: Tensor, tokens: Sequence[int]) -> list[float]:
    """Return the log-probability of each token under its own row of logits (tokens, vocabulary)."""
    chosen = logits.gather(-1, torch.tensor(tokens, device=logits.device)[:, None]).squeeze(-1)
    logprobs: list[float] = (chosen - logits.logsumexp(-1)).tolist()
    return logprobs
