"""Ranking of heads by how much of a suite's difference is foreseen to go with each, and how stable the ranking is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptaudit.attribution.heads import Head, Heads, How
from gptaudit.attribution.suites.explanation import Stability
from gptaudit.attribution.suites.items import Item, gaps, questions
from gptaudit.stats.intervals import Floats

RESAMPLES = 1000
OVERLAP = 5
"""How many of the first heads are compared between resamples."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Heads in descending order of how far they are foreseen to bring the difference towards zero."""

    predicted: Floats
    """Mean change of the difference when a head is replaced, to first order, (L, H)."""
    order: tuple[Head, ...]
    stability: Stability


def rank(heads: Heads, items: Sequence[Item], how: How, gap: float, seed: int) -> Ranking:
    """Rank heads by attribution patching over the items; `gap` is their mean difference, which has a sign."""
    by_question = heads.predict(questions(items), how)  # (2 N, L, H)
    found = gaps(by_question.movedim(0, -1)).movedim(-1, 0).numpy()  # (N, L, H)
    towards_zero = (-1 if gap > 0 else 1) * found.reshape(len(items), -1)
    order = _descending(towards_zero.mean(0))
    return Ranking(
        predicted=found.mean(0),
        order=tuple(Head(*divmod(int(place), heads.heads)) for place in order),
        stability=_stability(towards_zero, [item.case.cluster for item in items], order, seed),
    )


def _descending(scores: Floats) -> NDArray[np.intp]:
    return np.argsort(-scores, axis=-1, kind="stable")


def _stability(scores: Floats, clusters: Sequence[str], order: NDArray[np.intp], seed: int) -> Stability:
    """Draw whole clusters again and rank by the resampled means; `scores` (N, heads)."""
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    totals = np.zeros((len(names), scores.shape[1]))
    np.add.at(totals, index, scores)
    sizes = np.bincount(index).astype(np.float64)
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES
    )
    orders = _descending((drawn @ totals) / (drawn @ sizes)[:, None])
    compared = min(OVERLAP, scores.shape[1])
    again = np.isin(orders[:, :compared], order[:compared])
    return Stability(
        resamples=RESAMPLES,
        first_stays=float((orders[:, 0] == order[0]).mean()),
        overlap=float(again.mean()),
        compared=compared,
    )
