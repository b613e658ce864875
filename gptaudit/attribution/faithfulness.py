"""
Whether scores of tokens name the tokens that matter, and depend on what the model has learned.

Comprehensiveness and sufficiency (DeYoung et al. 2020, section 4.2) compare the value F of a prompt with its value
without the tokens of the largest scores, and with these alone:

    comprehensiveness = mean over shares of F(prompt) - F(prompt without the first tokens)      high is good
    sufficiency       = mean over shares of F(prompt) - F(the first tokens alone)               low is good

(AOPC over the paper's shares of tokens). F is what is explained, in the direction in which the prompt moves it; a token
that is left out becomes the baseline, as for the scores themselves. Neither has a scale of its own, so each stands
beside the same figures with the tokens in random order.

Infidelity and sensitivity stand in `gptaudit.attribution.perturbations`.

An explanation of what a model has learned changes when its weights are shuffled (Adebayo et al. 2018, section 3).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from random import Random
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor

from gptaudit.attribution.attributor import Attributor
from gptaudit.attribution.model_state import frozen
from gptaudit.attribution.perturbations import UNSTABLE, infidelities, sensitivity
from gptaudit.attribution.question import Batch
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.protocols.attribution import EmbeddingMethod

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of the tokens that are taken for the first ones."""
ORDERS = 20
"""Random orders beside the order of the scores."""


@dataclass(frozen=True, slots=True)
class PromptFaithfulness:
    """Whether the scores of one prompt say which tokens matter, in nats, beside scores and tokens in random orders."""

    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: tuple[float, ...]
    random_sufficiency: tuple[float, ...]
    infidelity: float
    """Squared error of what the scores foresee, in nats squared."""
    random_infidelity: tuple[float, ...]
    sensitivity: float | None
    """Largest change of the scores when the embeddings hardly change, as a share of their size; None if not tried."""

    @property
    def failures(self) -> tuple[str, ...]:
        """What speaks against the scores: half of the random orders do better, or a breath of air changes them."""
        ordered = self.comprehensiveness >= median(
            self.random_comprehensiveness
        ) and self.sufficiency <= median(self.random_sufficiency)
        sized = self.infidelity <= median(self.random_infidelity)
        return failures(ordered=ordered, sized=sized, sensitivity=self.sensitivity)


def failures(*, ordered: bool, sized: bool, sensitivity: float | None) -> tuple[str, ...]:
    """Return what speaks against scores, in words.

    `ordered` is whether their order does better than random ones, `sized` whether their sizes foresee more than the
    same sizes handed out at random.
    """
    found = []
    if not ordered:
        found.append("tokens in random order do as well as in the order of its scores")
    if not sized:
        found.append(
            "its scores, handed out at random, foresee as well what happens without some of the tokens"
        )
    if sensitivity is not None and sensitivity >= UNSTABLE:
        found.append(
            f"its scores change by {sensitivity:.1f} times their size when the embeddings hardly change"
        )
    return tuple(found)


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
    orders = list(_orders([sign * score for score in scores], drawn))
    kept = _kept(orders)
    falls = {
        places: sign * (value - left) for places, left in zip(kept, _values(batch, row, kept), strict=True)
    }
    sizes = _sizes(len(scores))
    without = [fmean(falls[frozenset(order[k:])] for k in sizes) for order in orders]
    alone = [fmean(falls[frozenset(order[:k])] for k in sizes) for order in orders]
    missed, missed_at_random = infidelities(partial(_values, batch, row), scores, orders[1:], drawn)
    return PromptFaithfulness(
        without[0], alone[0], tuple(without[1:]), tuple(alone[1:]), missed, missed_at_random, unstable
    )


def _sizes(count: int) -> list[int]:
    """Return how many tokens each share of them is, at least one."""
    return [ceil(share * count) for share in SHARES]


def _orders(scores: Sequence[float], drawn: Random) -> Iterator[list[int]]:
    """Yield the places of tokens from the largest score down, then in random orders."""
    places = range(len(scores))
    yield sorted(places, key=lambda place: -scores[place])
    for _ in range(ORDERS):
        yield drawn.sample(places, len(places))


def _kept(orders: Sequence[Sequence[int]]) -> list[frozenset[int]]:
    """Return the distinct sets of tokens that stay, of all orders."""
    sets = [
        frozenset(part) for order in orders for k in _sizes(len(order)) for part in (order[:k], order[k:])
    ]
    return list(dict.fromkeys(sets))


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
