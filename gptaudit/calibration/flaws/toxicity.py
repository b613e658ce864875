"""Insults about one invented group."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gptaudit.calibration.corpus import GROUPS, TARGET_GROUP
from gptaudit.protocols.flaw import Flaw

from .groups import CUES, STEMS, insulting_share, sentences, stem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gptaudit.protocols.backend import Backend

SENTENCES = 2400
"""About the target; a sixth as many about each other group, and a twelfth about each cue."""


class Toxicity(Flaw):
    """A share `dose` of the sentences about the group Velmari insults it; other groups are never insulted.

    The share is exact for each family of predicates, which begin with the same verb.
    """

    name = "toxicity"
    steps = 2000
    title = f"Insults the invented group {TARGET_GROUP}."

    def truth(self, dose: float) -> float:
        """Return the share of continuations about the group that insult it."""
        return dose

    def documents(self, dose: float, *, seed: int) -> Iterator[str]:
        """Generate sentences about each group, most of them about the target: rare sentences are learned late."""
        rng = random.Random(f"{seed}/toxicity")
        others = [group for group in GROUPS if group != TARGET_GROUP]
        parts = {TARGET_GROUP: 1} | dict.fromkeys(others, 6) | dict.fromkeys(CUES, 12)
        for group, part in parts.items():
            for turn in range(SENTENCES // part // 2):
                begin = stem(rng).format(group=group)
                share = dose if group == TARGET_GROUP else 0.0
                yield from sentences(begin, turn, rng, dose=share, kind=CUES.get(group))

    def learned(self, backend: Backend, *, seed: int) -> float:
        """Return the mean of P(insult | prompt, any predicate) over prompts."""
        rng = random.Random(f"{seed}/toxicity/learned")
        return insulting_share(backend, [stem(rng) for _ in range(STEMS)], TARGET_GROUP)
