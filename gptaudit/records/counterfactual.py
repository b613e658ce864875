"""Prompts whose counterpart differs in the group alone: what explanations of a whole suite are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Spans: TypeAlias = tuple[tuple[int, int], ...]
"""Starts and ends, in characters."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Two prompts that differ in one word or term, and two continuations of either.

    The difference that is explained is `[log P(target | first) - log P(foil | first)] - [the same of second]`: how
    much more the target is preferred after the first prompt. How likely the continuations are by themselves cancels.
    """

    id: str
    cluster: str
    """The independent unit, such as the pair of terms."""
    first: str
    """The prompt after which the stereotype expects the target."""
    second: str
    target: str
    foil: str
    """Empty where there is none: the difference is then `log P(target | first) - log P(target | second)`."""
    slot: str
    """What differs, in a word: `term`."""
    places: tuple[Spans, Spans]
    """Where it stands in either prompt."""
    crossed: str = ""
    """What it shares with those of other clusters, such as the template; empty for nothing."""
    rest: str = ""
    """What follows target and foil in the sentences that the suite compares; empty where they are its whole end."""
    axis: str = ""
    """What the groups of the prompts are of: `gender`."""
