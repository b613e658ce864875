"""Infidelity and sensitivity of scores (Yeh et al. 2019), computed by captum.

Infidelity (definition 2.1) is how far the sum of some tokens' scores misses what happens when these tokens become the
baseline, squared, in the mean over random sets of tokens. It has no scale of its own, so it stands beside that of the
same scores handed out to the tokens at random.

Sensitivity (definition 2.2) is the largest change of the scores, as a share of their size, when the embeddings of the
explained tokens move by very little. Scores that change by as much as their own size say nothing about the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import torch
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor

from gptaudit.attribution.question import Batch
from gptaudit.protocols.attribution import EmbeddingMethod

SETS = 20
"""Random sets of tokens that become the baseline together."""
RADIUS = 0.01
"""Largest move of a number of an embedding, as a share of the root mean square of such numbers."""
MOVES = 2
"""Random moves, of which the one with the largest change counts; each takes as long as the scores."""


def infidelities(
    values: Callable[[Sequence[frozenset[int]]], list[float]],
    scores: Sequence[float],
    orders: Sequence[Sequence[int]],
    drawn: Random,
) -> tuple[float, tuple[float, ...]]:
    """Return the infidelity of scores, and of the same scores handed out in each of some orders, in nats squared.

    `values` returns the value of the prompt when only some of its tokens stay, by their places.
    """
    count = len(scores)
    sets = [frozenset(place for place in range(count) if drawn.random() < 0.5) for _ in range(SETS)]
    removed = torch.tensor([[float(place in one) for place in range(count)] for one in sets])
    known = dict.fromkeys([frozenset(range(count)), *(frozenset(range(count)) - one for one in sets)], 0.0)
    known.update(zip(known, values(list(known)), strict=True))

    def value(kept: Tensor) -> Tensor:
        """Return the values of rows of tokens, 1 where one stays."""
        return torch.tensor([known[frozenset(row.nonzero()[:, 0].tolist())] for row in kept.double()])

    def remove(kept: Tensor) -> tuple[Tensor, Tensor]:
        return removed, kept - removed

    def of(these: Sequence[float]) -> float:
        ones = torch.ones(1, count)
        return float(infidelity(value, remove, ones, torch.tensor([list(these)]), n_perturb_samples=SETS))

    return of(scores), tuple(of([scores[place] for place in order]) for order in orders)


def sensitivity(batch: Batch, row: int, method: EmbeddingMethod, seed: int) -> float:
    """Return the sensitivity of a method's scores of one prompt of a batch."""
    own = slice(batch.width - len(batch.questions[row].ids), None)
    inputs, explained = batch.inputs[[row], own], batch.explained[row, own]
    generator = torch.Generator().manual_seed(seed)
    radius = RADIUS * float(inputs[0, explained].float().square().mean().sqrt())

    def move(embeddings: Tensor) -> tuple[Tensor]:
        noise = (2 * torch.rand(embeddings.shape, generator=generator) - 1) * radius
        return (embeddings + torch.where(explained[:, None], noise.to(embeddings), 0),)

    @torch.enable_grad()  # captum calls it without
    def explain(embeddings: tuple[Tensor]) -> tuple[Tensor]:
        scores, _ = method.compute(batch.moved(row, *embeddings), seed)
        return (scores[:, explained.cpu()].detach(),)

    return float(sensitivity_max(explain, inputs, move, n_perturb_samples=MOVES))
