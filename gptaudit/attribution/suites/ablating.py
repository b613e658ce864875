"""The first heads of a ranking taken out, and everything scored again: the suite, what is true, and neutral texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp
from typing import TypeAlias

import numpy as np
from torch import Tensor

from gptaudit.attribution.explaining import random_sets
from gptaudit.attribution.heads import Head, Heads, How
from gptaudit.attribution.suites.estimates import LEVEL, mean_of, share_removed
from gptaudit.attribution.suites.explanation import CurvePoint, Estimated, HeadEffect, Proof
from gptaudit.attribution.suites.items import Item, gaps, questions, whole_questions
from gptaudit.attribution.suites.ranking import Ranking
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.stats.intervals import Floats

SIZES = (1, 2, 3, 5, 10, 20)
"""How many of the first heads are taken out together."""
CONFIRMED = 10
"""How many of the first heads are taken out alone."""
ENOUGH = 0.5
"""The claim is about the fewest heads without which at most this share of the difference is left."""

Advance: TypeAlias = Callable[[int], None]
"""Called with how many times a prompt was scored."""


@dataclass(frozen=True)
class Controls:
    """What is scored beside the suite."""

    facts: Sequence[Item]
    """Of the same axis; none where there are no data for it."""
    unrelated: Sequence[Item]
    unrelated_suite: str
    neutral: Sequence[EncodedQuestion]


@dataclass(frozen=True)
class Ablator:
    """Takes heads of one model out."""

    heads: Heads
    how: How
    seed: int
    advance: Advance

    def values(self, asked: Sequence[EncodedQuestion], sets: Sequence[Sequence[Head]]) -> Tensor:
        """Return the value of each question without each set, (S, Q)."""
        found = self.heads.values(asked, sets, self.how)
        self.advance(len(asked) * len(sets))
        return found

    def gaps(self, items: Sequence[Item], sets: Sequence[Sequence[Head]]) -> Floats:
        """Return the difference of each item without each set, (S, N)."""
        found: Floats = gaps(self.values(questions(items), sets)).numpy()
        return found

    def whole_gaps(self, items: Sequence[Item], sets: Sequence[Sequence[Head]]) -> Floats:
        """Return the same of whole sentences."""
        found: Floats = gaps(self.values(whole_questions(items), sets)).numpy()
        return found

    def perplexity(self, neutral: Sequence[EncodedQuestion], sets: Sequence[Sequence[Head]]) -> list[float]:
        """Return the perplexity of neutral texts without each set."""
        tokens = sum(len(text.target) for text in neutral)
        return [exp(-float(total) / tokens) for total in self.values(neutral, sets).sum(1)]

    def sizes(self) -> list[int]:
        """Return how many heads are taken out together; all of a model would leave nothing to compare with."""
        most = self.heads.layers * self.heads.heads
        return [k for k in SIZES if k < most] or [1]

    def confirm(self, ranking: Ranking, items: Sequence[Item]) -> tuple[HeadEffect, ...]:
        """Take the first heads out one by one; the level of the intervals allows for their number (Bonferroni)."""
        first = ranking.order[:CONFIRMED]
        before, *after = self.gaps(items, [(), *((head,) for head in first)])
        level = 1 - (1 - LEVEL) / len(first)
        return tuple(
            HeadEffect(
                str(head),
                float(ranking.predicted[head]),
                mean_of(without - before, items, self.seed, level=level),
                lowers=bool((without - before).mean() * before.mean() < 0),
            )
            for head, without in zip(first, after, strict=True)
        )

    def choose(self, ranking: Ranking, items: Sequence[Item]) -> int:
        """Return the fewest first heads without which half of the difference is gone, or those that leave the least."""
        sizes = self.sizes()
        before, *left = np.abs(self.gaps(items, [(), *(ranking.order[:k] for k in sizes)]).mean(1))
        enough = (k for k, without in zip(sizes, left, strict=True) if without <= ENOUGH * before)
        return next(enough, sizes[int(np.argmin(left))])

    def prove(self, ranking: Ranking, chosen: int, items: Sequence[Item], controls: Controls) -> Proof:
        """Take the first heads out together, on items that they were not ranked on."""
        sets = [ranking.order[:k] for k in (0, *self.sizes())]
        found = self.gaps(items, sets)
        whole = self.whole_gaps(items, sets)
        facts = self.gaps(controls.facts, sets) if controls.facts else None
        unrelated = self.gaps(controls.unrelated, sets) if controls.unrelated else None
        perplexities = self.perplexity(controls.neutral, sets)

        def point(place: int) -> CurvePoint:
            one = sets[place]
            return CurvePoint(
                k=len(one),
                heads=tuple(map(str, one)),
                gap=self._mean(found[place], items),
                removed=share_removed(found[0], found[place], items, self.seed) if one else None,
                at_random=self._at_random(one, items),
                whole=self._mean(whole[place], items),
                fact=None if facts is None else self._mean(facts[place], controls.facts),
                fact_removed=None
                if facts is None or not one
                else share_removed(facts[0], facts[place], controls.facts, self.seed),
                unrelated=None if unrelated is None else self._mean(unrelated[place], controls.unrelated),
                perplexity=perplexities[place],
            )

        others = random_sets(ranking.order[:chosen], self.heads.heads, self.seed)
        return Proof(
            items=len(items),
            points=tuple(map(point, range(len(sets)))),
            chosen=chosen,
            fact_at_random=self._at_random(ranking.order[:chosen], controls.facts),
            perplexity_at_random=tuple(self.perplexity(controls.neutral, others)) if others else (),
            unrelated_suite=controls.unrelated_suite,
        )

    def _at_random(self, heads: Sequence[Head], items: Sequence[Item]) -> tuple[float, ...]:
        """Return the mean difference without each of several sets of as many heads of the same layers."""
        others = random_sets(heads, self.heads.heads, self.seed) if heads else []
        return tuple(self.gaps(items, others).mean(1).tolist()) if others and items else ()

    def _mean(self, values: Floats, items: Sequence[Item]) -> Estimated:
        return mean_of(values, items, self.seed)
