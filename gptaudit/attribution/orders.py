"""
Whether the order of scores names the tokens, or words, that matter.

Comprehensiveness and sufficiency (DeYoung et al. 2020, section 4.2) compare the value F of a prompt with its value
without the tokens of the largest scores, and with these alone:

    comprehensiveness = mean over shares of F(prompt) - F(prompt without the first tokens)      high is good
    sufficiency       = mean over shares of F(prompt) - F(the first tokens alone)               low is good

(AOPC over the paper's shares of tokens: the areas over the curves of deletion and of insertion). F is what is
explained, in the direction in which the prompt moves it; what is left out becomes what stands for nothing in the scores
themselves. Neither has a scale of its own, so each stands beside the same figures in random order.

Deletion and insertion (Petsiuk et al. 2018, section 3.2) are the whole curves: how much of what the prompt changes is
left as its tokens go, from the largest score on, and is there as they come into a prompt of which nothing is there. The
area under either is the mean over all shares. They are drawn through the values that the figures above are computed
from, so that they take no further passes or requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from statistics import fmean, median

import numpy as np

from gptaudit.attribution.failures import UNORDERED, failures
from gptaudit.protocols.attribution import Kept

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares of the tokens that are taken for the first ones."""


@dataclass(frozen=True, slots=True)
class Curve:
    """How much of what the prompt changes is there, in nats, as tokens go or come in the order of their scores."""

    shares: tuple[float, ...]
    """Share of the tokens that went or came, from 0 to 1."""
    values: tuple[float, ...]
    random_values: tuple[tuple[float, ...], ...]
    """The same in random orders."""
    area: float
    random_areas: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise `ValueError` for a curve without a value at each share, or without an area of each order."""
        lengths = {len(values) for values in (self.values, *self.random_values)}
        if lengths != {len(self.shares)} or len(self.random_values) != len(self.random_areas):
            msg = "expected a value at each share, and an area of each random order"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class OrderFaithfulness:
    """How far a value falls, in nats, without the first by score and with them alone, beside random orders."""

    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: tuple[float, ...]
    random_sufficiency: tuple[float, ...]
    deletion: Curve
    """Its area is small where the largest scores matter."""
    insertion: Curve
    """Its area is large where they do."""

    @property
    def ordered(self) -> bool:
        """Whether the order does as well as half of the random ones, or better, by both figures."""
        return self.comprehensiveness >= median(self.random_comprehensiveness) and self.sufficiency <= median(
            self.random_sufficiency
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """What speaks against the scores."""
        return () if self.ordered else (UNORDERED,)


@dataclass(frozen=True, slots=True)
class PromptFaithfulness(OrderFaithfulness):
    """Whether the scores of one prompt say which tokens matter, in nats, beside scores and tokens in random orders."""

    infidelity: float
    """Squared error of what the scores foresee, in nats squared."""
    random_infidelity: tuple[float, ...]
    sensitivity: float | None
    """Largest change of the scores when the embeddings hardly change, as a share of their size; None if not tried."""

    @property
    def failures(self) -> tuple[str, ...]:
        """What speaks against the scores: half of the random orders do better, or a breath of air changes them."""
        sized = self.infidelity <= median(self.random_infidelity)
        return failures(ordered=self.ordered, sized=sized, sensitivity=self.sensitivity)


def ordered_by(scores: Sequence[float]) -> list[int]:
    """Return the places from the largest score down."""
    return sorted(range(len(scores)), key=lambda place: -scores[place])


def random_orders(count: int, orders: int, drawn: Random) -> list[list[int]]:
    """Return random orders of so many places."""
    return [drawn.sample(range(count), count) for _ in range(orders)]


def kept_in(orders: Sequence[Sequence[int]]) -> list[Kept]:
    """Return the distinct sets whose values the figures of orders are computed from."""
    sets = [frozenset(part) for order in orders for k in sizes(len(order)) for part in (order[:k], order[k:])]
    return list(dict.fromkeys(sets))


def check_orders(
    falls: Mapping[Kept, float], orders: Sequence[Sequence[int]], change: float
) -> OrderFaithfulness:
    """Return the figures of the first order beside those of the others.

    `falls` has by how much the value of the whole falls, in its direction, when only some stay, and `change` by how
    much it falls when none does.
    """
    shares = [sizes(len(order)) for order in orders]
    without = [
        fmean(falls[frozenset(order[k:])] for k in of) for order, of in zip(orders, shares, strict=True)
    ]
    alone = [fmean(falls[frozenset(order[:k])] for k in of) for order, of in zip(orders, shares, strict=True)]
    everything = frozenset(orders[0])
    steps = sorted({0, *sizes(len(everything)), len(everything)})
    there = {kept: change - fall for kept, fall in falls.items()} | {everything: change, frozenset(): 0.0}
    return OrderFaithfulness(
        without[0],
        alone[0],
        tuple(without[1:]),
        tuple(alone[1:]),
        deletion=_curve(steps, [[there[frozenset(order[k:])] for k in steps] for order in orders]),
        insertion=_curve(steps, [[there[frozenset(order[:k])] for k in steps] for order in orders]),
    )


def _curve(steps: Sequence[int], values: Sequence[Sequence[float]]) -> Curve:
    """Return the curve of the first order beside those of the others; `steps` is how many tokens went or came."""
    shares = [k / steps[-1] for k in steps]
    area, *areas = (float(np.trapezoid(of_order, shares)) for of_order in values)
    first, *others = map(tuple, values)
    return Curve(tuple(shares), first, tuple(others), area, tuple(areas))


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean curve of several prompts, at the shares of all of them; between its steps a curve is a line."""
    shares = sorted({share for curve in curves for share in curve.shares})

    def mean(number: int) -> tuple[float, ...]:
        of_order = [(curve.values, *curve.random_values)[number] for curve in curves]
        lines = [
            np.interp(shares, curve.shares, values) for curve, values in zip(curves, of_order, strict=True)
        ]
        return tuple(np.mean(lines, axis=0).tolist())

    first, *others = map(mean, range(1 + len(curves[0].random_values)))
    areas = zip(*(curve.random_areas for curve in curves), strict=True)
    return Curve(
        tuple(shares), first, tuple(others), fmean(curve.area for curve in curves), tuple(map(fmean, areas))
    )


def sizes(count: int) -> list[int]:
    """Return how many of so many tokens each share is, at least one."""
    return [ceil(share * count) for share in SHARES]
