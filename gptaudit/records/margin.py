"""The lead of one log-likelihood or probability over another, and whether it decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, TypeAlias

from gptaudit.records.asked import Likelihood

TIE = 1e-4
"""In nats, or as a difference of probabilities: a smaller lead depends on the batch that it was computed in."""

ROUNDING = 1e-9
"""Error of adding and subtracting such numbers in double precision."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The lead of one side over the other as computed, and its largest expected error.

    A probe that compares likelihoods decides by the `outcome` of margins only, so that its decision in low precision
    equals that in full precision unless a margin is open.
    """

    lead: float
    error: float = 0.0

    @classmethod
    def between(cls, one: Likelihood, other: Likelihood) -> Margin:
        """Compare two log-likelihoods."""
        return cls(one.logprob - other.logprob, one.error + other.error)

    @classmethod
    def per_token(cls, one: Likelihood, other: Likelihood) -> Margin:
        """Compare two log-likelihoods, each divided by the number of its tokens."""
        lengths = len(one.token_logprobs), len(other.token_logprobs)
        lead = one.logprob / lengths[0] - other.logprob / lengths[1]
        return cls(lead, one.error / lengths[0] + other.error / lengths[1])

    @property
    def outcome(self) -> Literal["ahead", "behind", "tie"]:
        """Which side is ahead by more than a tie."""
        if abs(self.lead) <= TIE:
            return "tie"
        return "ahead" if self.lead > 0 else "behind"

    @property
    def is_open(self) -> bool:
        """Whether the exact lead, at most `error` away, could have another outcome."""
        lead, reach = abs(self.lead), self.error + ROUNDING if self.error else 0.0
        return lead - reach <= TIE < lead + reach


def margins_between(likelihoods: Iterable[Likelihood]) -> list[Margin]:
    """Return the margin of each pair of log-likelihoods."""
    return [Margin.between(one, other) for one, other in combinations(likelihoods, 2)]


Normalisation: TypeAlias = Literal["sum", "token", "character"]
"""By what a text's log-likelihood is divided before it is compared: by nothing, its tokens or its characters.

lm-evaluation-harness calls the accuracy by the first `acc`, and that by the last `acc_norm`.
"""


def normalised(
    likelihoods: Sequence[Likelihood], texts: Sequence[str], own: Normalisation, wanted: Normalisation
) -> list[Likelihood]:
    """Return the log-likelihoods of a case's texts so that who compares them by `own` compares the given by `wanted`.

    All are multiplied by one factor, too, so that texts of equal length keep theirs, and nats stay nats at the mean
    length of the case's texts.
    """
    before, after = (
        [_size(*one, by) for one in zip(likelihoods, texts, strict=True)] for by in (own, wanted)
    )
    return [
        likelihood if own == wanted else _scaled(likelihood, mine * sum(after) / (size * sum(before)))
        for likelihood, mine, size in zip(likelihoods, before, after, strict=True)
    ]


def _size(likelihood: Likelihood, text: str, by: Normalisation) -> int:
    match by:
        case "sum":
            return 1
        case "token":
            return len(likelihood.token_logprobs)
    return max(1, len(text.strip()))


def _scaled(likelihood: Likelihood, factor: float) -> Likelihood:
    return replace(likelihood, logprob=likelihood.logprob * factor, error=likelihood.error * factor)
