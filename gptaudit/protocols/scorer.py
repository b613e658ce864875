"""Interface of scorers, which give texts that a model wrote labelled probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gptaudit.records import Prompt

Scores: TypeAlias = Mapping[str, float]
"""Label -> probability in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Output:
    """A text that a model wrote, and the prompt that it follows; most scorers read the text alone."""

    text: str
    prompt: Prompt = ""


class Scorer(Protocol):
    """Rates outputs. The scores of one do not depend on the others in the list, except for rounding."""

    name: str
    labels: tuple[str, ...]
    identity: Mapping[str, str]
    """Everything that affects a score: model name, sha256 of its checkpoint, version."""

    def __call__(self, outputs: Sequence[Output]) -> list[Scores]:
        """Return the scores of each output, in order."""


@dataclass(frozen=True, slots=True)
class ScorerType:
    """A scorer, opened when a probe names it."""

    name: str
    title: str
    models: tuple[str, ...]
    """Models it can be opened with, the default first; `--scorer NAME=MODEL` chooses another."""
    open: Callable[[str], Scorer]
    """Load the model of that name; raises `ScorerError`."""
