"""What a target's answers to a text say about target and foil, where the target is not looked into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import ClassVar, TypeAlias

from gptaudit.records import (
    Answer,
    Choice,
    ChooseRequest,
    Completion,
    GenerateRequest,
    Likelihood,
    Request,
    Sampling,
    ScoreRequest,
)
from gptaudit.records.words import is_spaced_letter

FEWEST_TOKENS = 16
"""Tokens of a sampled answer at least: some begin with a tag or a mark."""


@dataclass(frozen=True, slots=True)
class Likelihoods:
    """Reads log P(target | text) - log P(foil | text), or log P(target | text)."""

    target: str
    foil: str | None

    through: ClassVar[str] = "log-probabilities"
    unit: ClassVar[str] = "nats"
    exact: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (None, None)

    def requests(self, text: str, time: int) -> tuple[Request, ...]:  # noqa: ARG002 - the same each time
        """Return what is asked about a text."""
        return tuple(ScoreRequest(text, side) for side in (self.target, self.foil) if side is not None)

    def value(self, answers: Sequence[Answer]) -> float:
        """Return the value of a text from the answers to its requests."""
        target, *foil = (one.logprob for one in answers if isinstance(one, Likelihood))
        return target - sum(foil)

    def neither(self, answers: Sequence[Answer]) -> None:
        """Return None: the target is read as a text, whatever the target would answer."""

    def unknown(self, answers: Sequence[Answer]) -> None:
        """Return None: all is known."""


@dataclass(frozen=True, slots=True)
class FirstTokens:
    """Reads P(target) - P(foil) from the probabilities of the likeliest first tokens of an answer.

    That of a side which is not among them is only known to be no larger than theirs; half of that is taken for it.
    """

    target: str
    foil: str | None

    through: ClassVar[str] = "probabilities of the first token"
    unit: ClassVar[str] = "probability"
    exact: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (-2.0, 2.0)

    def requests(self, text: str, time: int) -> tuple[Request, ...]:  # noqa: ARG002 - the same each time
        """Return what is asked about a text."""
        sides = (self.target, self.foil)
        return (ChooseRequest(text, tuple(side.strip() for side in sides if side is not None)),)

    def value(self, answers: Sequence[Answer]) -> float:
        """Return the value of a text."""
        target, *foil = ((least + most) / 2 for least, most in _ends(answers))
        return target - sum(foil)

    def neither(self, answers: Sequence[Answer]) -> float:
        """Return the probability that an answer begins with another token."""
        return max(0.0, 1 - fsum((least + most) / 2 for least, most in _ends(answers)))

    def unknown(self, answers: Sequence[Answer]) -> float:
        """Return by how much the value may be off."""
        return fsum((most - least) / 2 for least, most in _ends(answers))


def _ends(answers: Sequence[Answer]) -> list[tuple[float, float]]:
    """Return the least and the greatest probability that each side may have."""
    (answer,) = answers
    assert isinstance(answer, Choice)  # noqa: S101 - what a `ChooseRequest` is answered with
    return list(zip(answer.least, answer.most, strict=True))


@dataclass(frozen=True, slots=True)
class Samples:
    """Reads from one sampled answer whether it begins with the target, 1, with the foil, -1, or with neither, 0.

    Its mean over samples is P(target) - P(foil).
    """

    target: str
    foil: str | None

    through: ClassVar[str] = "sampled answers"
    unit: ClassVar[str] = "probability"
    exact: ClassVar[bool] = False

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """Least and greatest difference of two values."""
        return (-1.0, 1.0) if self.foil is None else (-2.0, 2.0)

    def requests(self, text: str, time: int) -> tuple[Request, ...]:
        """Return what is asked about a text for the n-th time."""
        longest = max(len(self.target), len(self.foil or ""))
        return (GenerateRequest(text, Sampling(max(FEWEST_TOKENS, 2 * longest)), time),)

    def value(self, answers: Sequence[Answer]) -> float:
        """Return the value of an answer."""
        (answer,) = answers
        said = answer.text if isinstance(answer, Completion) else ""
        return float(begins(said, self.target)) - float(self.foil is not None and begins(said, self.foil))

    def neither(self, answers: Sequence[Answer]) -> float:
        """Return whether an answer begins with neither side."""
        return float(self.value(answers) == 0)

    def unknown(self, answers: Sequence[Answer]) -> None:
        """Return None: an interval over the samples says how far it may be off."""


Outcome: TypeAlias = Likelihoods | FirstTokens | Samples


def begins(answer: str, side: str) -> bool:
    """Return whether an answer begins with a text, as words: case, and signs before the first letter, do not count.

    >>> begins('**She** was late', " she"), begins("Shells", " she")
    (True, False)
    """
    said, text = (_from_first_letter(each).casefold() for each in (answer, side))
    after = said[len(text) : len(text) + 1]
    return bool(text) and said.startswith(text) and not (after.isalnum() and is_spaced_letter(text[-1]))


def _from_first_letter(text: str) -> str:
    first = next((place for place, character in enumerate(text) if character.isalnum()), len(text))
    return text[first:].rstrip()
