"""Methods that ask about a prompt with words left out, and need of a target no more than its answers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from gptaudit.protocols.attribution import Kept, WordMethod

ORDERS = 25
"""Random orders in which sampled Shapley values let the words enter, of a target whose values are exact."""


def _one_out(words: int, draw: Random) -> list[Kept]:  # noqa: ARG001 - as in `WordMethod.ask`
    """Return all words, all but each of them, and none."""
    whole = frozenset(range(words))
    return [whole, *(whole - {word} for word in range(words)), frozenset()]


def _fall(words: int, asked: Sequence[Kept], values: Sequence[float]) -> list[float]:
    """Return by how much the value falls without each word."""
    found = dict(zip(asked, values, strict=True))
    whole = frozenset(range(words))
    return [found[whole] - found[whole - {word}] for word in range(words)]


def _one_order(words: int, draw: Random) -> list[Kept]:
    """Return what has entered after each step of a random order, from nothing to all."""
    order = draw.sample(range(words), words)
    return [frozenset(order[:entered]) for entered in range(words + 1)]


def _rise(words: int, asked: Sequence[Kept], values: Sequence[float]) -> list[float]:
    """Return by how much the value rises when each word enters."""
    found = [0.0] * words
    for (before, after), (low, high) in zip(pairwise(asked), pairwise(values), strict=True):
        (word,) = after - before
        found[word] = high - low
    return found


WORD_METHODS = (
    WordMethod("occlusion", "occlusion: each word left out alone", _one_out, _fall, paper="Li et al. 2016"),
    WordMethod(
        "shapley",
        "Shapley values of words, by random orders",
        _one_order,
        _rise,
        complete=True,
        rounds=ORDERS,
        paper="Castro et al. 2009",
    ),
)
