"""Interface of scorers, which give texts labelled probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Scores: TypeAlias = Mapping[str, float]
"""Label -> probability in [0, 1]."""


class Scorer(Protocol):
    """Rates texts. The scores of a text do not depend on the other texts in the list, except for rounding."""

    name: str
    labels: tuple[str, ...]
    identity: Mapping[str, str]
    """Everything that affects a score: model name, sha256 of its checkpoint, version."""

    def __call__(self, texts: Sequence[str]) -> list[Scores]:
        """Return the scores of each text, in order."""


@dataclass(frozen=True, slots=True)
class ScorerType:
    """A scorer, opened when a probe names it."""

    name: str
    title: str
    models: tuple[str, ...]
    """Models it can be opened with, the default first; `--scorer NAME=MODEL` chooses another."""
    open: Callable[[str], Scorer]
    """Load the model of that name; raises `ScorerError`."""
