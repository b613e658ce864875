"""By how many nats one log-likelihood is ahead of another, and whether that decides anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from gptaudit.records.asked import Likelihood

TIE = 1e-4
"""In nats: which of two sums is larger by no more than this depends on the batch that they were computed in."""

ROUNDING = 1e-9
"""In nats: what adding and subtracting sums in double precision may be off by."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The lead of one side over the other, as computed, and how far it may be from the exact lead.

    Every decision of a probe that compares likelihoods is an `outcome` of margins, so that a decision taken in low
    precision is that of full precision wherever no margin is open.
    """

    nats: float
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
        """Which side is ahead by more than rounding."""
        if abs(self.nats) <= TIE:
            return "tie"
        return "ahead" if self.nats > 0 else "behind"

    @property
    def is_open(self) -> bool:
        """Whether the exact lead, at most `error` away, may have another outcome."""
        lead, reach = abs(self.nats), self.error + ROUNDING if self.error else 0.0
        return lead - reach <= TIE < lead + reach


def margins_between(likelihoods: Iterable[Likelihood]) -> list[Margin]:
    """Compare each two log-likelihoods."""
    return [Margin.between(one, other) for one, other in combinations(likelihoods, 2)]
