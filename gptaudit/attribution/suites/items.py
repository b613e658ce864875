"""Counterfactual prompts of a suite, encoded for one model, and the differences between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from gptaudit.causal_lm.encoding import EncodedQuestion, Encoder
from gptaudit.records import Counterfactual, Failure


@dataclass(frozen=True, slots=True)
class Item:
    """A counterfactual with its two questions, which share target and foil."""

    case: Counterfactual
    first: EncodedQuestion
    second: EncodedQuestion
    whole: tuple[EncodedQuestion, EncodedQuestion]
    """The same with all that follows target and foil in the suite's sentences."""

    @property
    def of_tokens(self) -> bool:
        """Whether target and foil are a token each; odds of whole texts vary by too many powers of ten for a mean."""
        return len(self.first.target) == len(self.first.foil or ()) == 1

    @property
    def aligned(self) -> bool:
        """Whether each token of a prompt has its counterpart in the other."""
        return len(self.first.ids) == len(self.second.ids)


def encode(
    encoder: Encoder, cases: Iterable[Counterfactual], window: int
) -> tuple[list[Item], Mapping[str, int]]:
    """Return the items of the cases that can be explained, and for the others how many by reason."""
    items, left_out = [], Counter[str]()
    for case in cases:
        asked = [
            encoder.question(prompt, case.target + rest, case.foil + rest if case.foil else None)
            for rest in ("", case.rest)
            for prompt in (case.first, case.second)
        ]
        failures = [one for one in asked if isinstance(one, Failure)]
        if failures:
            left_out[failures[0].message] += 1
            continue
        first, second, *whole = (one for one in asked if isinstance(one, EncodedQuestion))
        longest = max(len(one.ids) + max(len(one.target), len(one.foil or ())) - 1 for one in whole)
        if longest > window:
            left_out[f"longer than the {window} tokens that the model reads"] += 1
        else:
            items.append(Item(case, first, second, (whole[0], whole[1])))
    return items, dict(left_out)


def questions(items: Sequence[Item]) -> list[EncodedQuestion]:
    """Return the first questions of the items, then the second ones."""
    return [item.first for item in items] + [item.second for item in items]


def whole_questions(items: Sequence[Item]) -> list[EncodedQuestion]:
    """Return the same of whole sentences."""
    return [item.whole[0] for item in items] + [item.whole[1] for item in items]


def gaps(values: Tensor) -> Tensor:
    """Return the difference of each item, (..., N), from the values of its two questions, (..., 2 N)."""
    first, second = torch.chunk(values, 2, dim=-1)
    return first - second


def halves(items: Sequence[Item], seed: int) -> tuple[list[Item], list[Item]]:
    """Split items in two by whole clusters, at random: heads are chosen on the one and proved on the other."""
    clusters = sorted({item.case.cluster for item in items})
    Random(seed).shuffle(clusters)
    chosen = set(clusters[::2])
    return (
        [item for item in items if item.case.cluster in chosen],
        [item for item in items if item.case.cluster not in chosen],
    )


def some(items: Sequence[Item], most: int, seed: int) -> list[Item]:
    """Return at most so many of the items, drawn at random, in their order."""
    places = sorted(Random(seed).sample(range(len(items)), min(most, len(items))))
    return [items[place] for place in places]


def counterpart(question: EncodedQuestion, other: EncodedQuestion) -> EncodedQuestion:
    """Return the prompt of another question before the target and foil of this one."""
    return replace(question, ids=other.ids)
