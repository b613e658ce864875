"""
Whether scores of tokens name the tokens that matter, and depend on what the model has learned.

Comprehensiveness and sufficiency stand in `gptaudit.attribution.orders`, infidelity and sensitivity in
`gptaudit.attribution.perturbations`.

An explanation of what a model has learned changes when its weights are shuffled (Adebayo et al. 2018, section 3).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

import torch
from torch import Tensor

from gptaudit.attribution.attributor import Attributor
from gptaudit.attribution.model_state import frozen
from gptaudit.attribution.orders import (
    PromptFaithfulness,
    check_orders,
    kept_in,
    ordered_by,
    random_orders,
)
from gptaudit.attribution.perturbations import infidelities, sensitivity
from gptaudit.attribution.question import Batch
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.protocols.attribution import EmbeddingMethod

ORDERS = 20
"""Random orders beside the order of the scores."""


def check_scores(
    attributor: Attributor,
    asked: Sequence[EncodedQuestion],
    scores: Sequence[Sequence[float]],
    method: EmbeddingMethod,
    *,
    seed: int,
    moved: int,
) -> list[PromptFaithfulness]:
    """Return the figures of each question's scores; of the first `moved` with their sensitivity."""
    found: dict[int, PromptFaithfulness] = {}
    with frozen(attributor.model):
        for numbers, batch in attributor.batches(asked):
            for row, number in enumerate(numbers):
                unstable = sensitivity(batch, row, method, seed) if number < moved else None
                drawn = Random(f"{seed}/{number}")
                found[number] = _of_row(batch, row, scores[number], drawn, unstable)
    return [found[number] for number in range(len(asked))]


def _of_row(
    batch: Batch, row: int, scores: Sequence[float], drawn: Random, unstable: float | None
) -> PromptFaithfulness:
    value, at_baseline = (float(each[row]) for each in batch.at_ends)
    sign = 1.0 if value >= at_baseline else -1.0
    orders = [
        ordered_by([sign * score for score in scores]),
        *random_orders(len(scores), ORDERS, drawn),
    ]
    kept = kept_in(orders)
    falls = {
        places: sign * (value - left) for places, left in zip(kept, _values(batch, row, kept), strict=True)
    }
    found = check_orders(falls, orders, sign * (value - at_baseline))
    missed, missed_at_random = infidelities(partial(_values, batch, row), scores, orders[1:], drawn)
    return PromptFaithfulness(
        found.comprehensiveness,
        found.sufficiency,
        found.random_comprehensiveness,
        found.random_sufficiency,
        found.deletion,
        found.insertion,
        missed,
        missed_at_random,
        unstable,
    )


def _values(batch: Batch, row: int, kept: Sequence[frozenset[int]]) -> list[float]:
    """Return the values of a prompt of which only some explained tokens stay."""
    columns = batch.explained[row].nonzero()[:, 0].tolist()
    stay = torch.zeros(len(kept), batch.width, dtype=torch.bool, device=batch.device)
    for number, places in enumerate(kept):
        stay[number, [columns[place] for place in places]] = True
    rows = torch.full((len(kept),), row, device=batch.device)
    embeddings = torch.where(stay[..., None], batch.inputs[row], batch.baselines[row])
    found: list[float] = batch.values(embeddings, rows).tolist()
    return found


def shuffled(model: Any, *, seed: int) -> Any:  # noqa: ANN401 - any causal language model of transformers
    """Return a copy of a model in which the numbers of each weight are shuffled: it has learned nothing."""
    found = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in found.parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].view_as(weight))
    return found


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's correlation of two sequences of two or more values without ties.

    >>> rank_correlation([1, 2, 3], [10, 30, 20])
    0.5
    """
    ranks: list[Tensor] = [
        torch.tensor(list(values), dtype=torch.float64).argsort().argsort().double()
        for values in (one, other)
    ]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])
