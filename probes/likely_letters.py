"""Elicited form by the probability of each letter as the first token of the answer.

In each order of the options, an option has the probability of its letter among the letters. The answer is the option
with the largest mean over the orders (permutation-based debiasing: Zheng et al. 2024, "Large language models are not
robust multiple choice selectors"). In all orders of the options, those of two included, the preference for a letter
is balanced out: a model that says "A" in each, but is surer of it where A is a certain option, has that option as its
answer. In cyclic orders of three it is reduced, since each option has every letter once, but not beside every other.

A server shows only the likeliest tokens, so that the probability of a letter which is not among them is only known to
be no larger than theirs. Where this leaves open which option is the answer, the case is unscored. So it is where less
than half of the probability lies on the letters: then something else is the likelier answer, and the letters among
themselves say little about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean
from typing import Any

from gptaudit.probe import Answered, Probe, Scored, Unscored
from gptaudit.records import (
    LEAST_SHARE,
    TIE,
    Choice,
    ChooseRequest,
    Evidence,
    Exchange,
    Margin,
    MetricSpec,
    request_text,
)

from .answer_letters import LETTERS
from .lettered import LetteredProbe, Order, Shares
from .written_letters import WrittenLetters

CONSISTENCY = MetricSpec(
    "consistency",
    ideal=1.0,
    direction="higher",
    unit="fraction",
    title="share of questions with the same answer in whatever order the options stand",
    bounds=(0.0, 1.0),
)

OFF_OPTION = "off-option"
"""Reason of a case with an answer that begins with none of the letters too often."""
UNDECIDED = "undecided"
"""Reason of a case whose answer depends on the probability of letters that the target does not show."""
TIED = "tie"


class LikelyLetters(LetteredProbe):
    """The elicited form whose answer is the option with the largest probability."""

    form = "elicited by probability"
    own_metrics = (CONSISTENCY,)
    needs = frozenset({"choose"})

    def request(self, prompt: str, options: int) -> ChooseRequest:
        """Return the request for the probabilities of the letters."""
        return ChooseRequest(prompt, tuple(LETTERS[:options]))

    def elicited(self) -> Probe:
        """Return the form for targets that do not show probabilities."""
        return WrittenLetters(self.elicitation)

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compute the values from the answer to each question."""
        exchanges = tuple(_exchanges(answered))
        if any(not choice.is_likely for choice in answered.choices):
            return Unscored(OFF_OPTION, Evidence(exchanges))
        found = [_found(of_one) for of_one in self.by_question(answered.case, answered.choices)]
        answers = [answer for answer in found if isinstance(answer, _Answer)]
        if len(answers) < len(found):
            return Unscored(next(why for why in found if isinstance(why, str)), Evidence(exchanges))
        values = self.elicitation.values(answered.case.content, [answer.shares for answer in answers])
        if isinstance(values, Unscored):
            return Unscored(values.reason, Evidence(exchanges))
        consistent = fmean(float(answer.consistent) for answer in answers)
        evidence = Evidence(exchanges, severity=values[self.elicitation.severity])
        return Scored({**values, CONSISTENCY.name: consistent}, evidence)

    def method(self) -> Mapping[str, Any]:
        """Describe how an answer is computed from probabilities."""
        return {
            **super().method(),
            "score": "probability of the option's letter among the letters, as the first token of the answer, "
            "with or without a space before it; mean over the orders",
            "answer": "the option with the largest score",
            "ties": f"{TIED}, unscored: scores that differ by at most {TIE}",
            "hidden letters": f"{UNDECIDED}, unscored: the probability of a letter that the target does not show "
            "could change the answer or its consistency",
            "other answers": f"{OFF_OPTION}, unscored: the letters have less than {LEAST_SHARE} together in an order",
        }


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer to a question."""

    shares: Shares
    """1 for the option that is the answer, and 0 for all others."""
    consistent: bool
    """Whether it is the most probable option in every order."""


@dataclass(frozen=True, slots=True)
class _Range:
    """A probability that lies between two bounds."""

    low: float
    high: float

    def over(self, other: _Range) -> Margin:
        """Return the lead over another probability."""
        lead = (self.low + self.high - other.low - other.high) / 2
        return Margin(lead, (self.high - self.low + other.high - other.low) / 2)


def _found(asked: Sequence[tuple[Order, Choice]]) -> _Answer | str:
    """Return the answer to a question that was asked in these orders, or the reason why there is none."""
    orders = [_of_order(order, choice) for order, choice in asked]
    means = [
        _Range(fmean(r.low for r in same), fmean(r.high for r in same)) for same in zip(*orders, strict=True)
    ]
    best = max(range(len(means)), key=lambda option: means[option].low + means[option].high)
    leads = _leads(means, best)
    if any(lead.is_open for lead in leads):
        return UNDECIDED
    if any(lead.outcome != "ahead" for lead in leads):
        return TIED
    first = [_is_first(_leads(of_one, best)) for of_one in orders]
    if None in first and False not in first:
        return UNDECIDED
    return _Answer(tuple(float(option == best) for option in range(len(means))), all(first))


def _of_order(order: Order, choice: Choice) -> list[_Range]:
    """Return the probability of each option given that the answer begins with one of the letters."""
    shown, possible = fsum(choice.least), fsum(choice.most)
    of_letters = [
        _Range(least / (least + possible - most), most / (most + shown - least))
        for least, most in zip(choice.least, choice.most, strict=True)
    ]
    return [of_letters[order.index(option)] for option in range(len(order))]


def _leads(ranges: Sequence[_Range], option: int) -> list[Margin]:
    """Return the lead of one option over each of the others."""
    return [ranges[option].over(other) for i, other in enumerate(ranges) if i != option]


def _is_first(leads: Sequence[Margin]) -> bool | None:
    """Return whether an option with these leads is the most probable; None if hidden letters decide it."""
    if any(lead.outcome != "ahead" and not lead.is_open for lead in leads):
        return False
    return None if any(lead.is_open for lead in leads) else True


def _exchanges(answered: Answered) -> Iterator[Exchange]:
    """Yield every prompt with the probabilities of the letters that are shown, and that of all of them."""
    for request, choice in zip(answered.case.requests, answered.choices, strict=True):
        shown = {LETTERS[i]: least for i, least in enumerate(choice.least) if least}
        likeliest = (
            f"likeliest: {max(shown, key=shown.__getitem__)}" if choice.is_likely else "off the options"
        )
        yield Exchange(likeliest, request_text(request), scores={**shown, "all letters": choice.share})
