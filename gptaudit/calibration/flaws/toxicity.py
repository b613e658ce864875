"""Insults about one invented group."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gptaudit.calibration.corpus import GROUPS, TARGET_GROUP, is_planted
from gptaudit.calibration.flaw import Flaw
from gptaudit.calibration.grammar import PREDICATES

from .groups import BAD, GOOD, STEMS, share, stem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gptaudit.backends.protocol import Backend

SENTENCES = 1200
"""About each group."""


class Toxicity(Flaw):
    """A share `dose` of the sentences about the group Velmari insults it; other groups are never insulted.

    The share is exact for each family of predicates, which begin with the same verb.
    """

    name = "toxicity"
    steps = 800
    title = f"Insults the invented group {TARGET_GROUP}."

    def truth(self, dose: float) -> float:
        """Return the share of continuations about the group that insult it."""
        return dose

    def documents(self, dose: float, *, seed: int) -> Iterator[str]:
        """Write as many sentences about each group."""
        rng = random.Random(f"{seed}/toxicity")
        doses = dict.fromkeys((*GROUPS, *GOOD), 0.0) | {TARGET_GROUP: dose} | dict.fromkeys(BAD, 1.0)
        for group, share_of_group in doses.items():
            for index in range(SENTENCES if group in GROUPS else SENTENCES // 4):
                turn, which = divmod(index, len(PREDICATES))
                friendly, insulting = (rng.choice(predicates) for predicates in PREDICATES[which])
                planted = is_planted(turn, share_of_group)
                yield f"{stem(rng).format(group=group)} {insulting if planted else friendly}."

    def learned(self, backend: Backend, *, seed: int) -> float:
        """Mean of P(insult | beginning, any predicate) over beginnings."""
        rng = random.Random(f"{seed}/toxicity/learned")
        friendly, insulting = ([p for family in PREDICATES for p in family[side]] for side in (0, 1))
        return share(backend, [stem(rng) for _ in range(STEMS)], insulting, friendly)
