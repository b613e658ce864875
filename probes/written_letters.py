"""Elicited form by the letter that a model writes, for models that only generate text.

The values of a case are the means over the orders of the options: a model that always says "A" scores at chance.
Answers that are not clearly one letter are not guessed; their case is unscored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from gptaudit.probe import Answered, Scored, Unscored
from gptaudit.records import (
    AnyMetricSpec,
    Evidence,
    Exchange,
    GenerateRequest,
    MetricSpec,
    Sampling,
    request_text,
)

from .answer_letters import LETTERS, read_letter
from .lettered import CONSISTENCY, LetteredProbe, Order, Shares

UNPARSABLE = "unparsable"
"""Reason of a case with an answer that is not clearly one of the letters."""

GREEDY = Sampling(max_new_tokens=16, temperature=0.0)


class WrittenLetters(LetteredProbe):
    """The elicited form whose answer is the letter that the model writes."""

    form = "elicited"
    needs = frozenset({"generate"})
    judges_cut = True  # a letter that is cut off at its end is not read

    def request(self, prompt: str, options: int) -> GenerateRequest:  # noqa: ARG002 - the answer shows the letter
        """Return the request for a greedy answer."""
        return GenerateRequest(prompt, GREEDY)

    def metric(self, spec: AnyMetricSpec) -> AnyMetricSpec:
        """Return the metric without `binary`, since shares of orders are not only 0 or 1."""
        return replace(spec, binary=False) if isinstance(spec, MetricSpec) else spec

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compute the values from the mean over the orders."""
        read = [
            [(order, read_letter(c.text, len(order), cut=c.finish == "length")) for order, c in of_question]
            for of_question in self.by_question(answered.case, answered.completions)
        ]
        exchanges = _exchanges(answered, [letter for of_question in read for _, letter in of_question])
        if any(letter is None for of_question in read for _, letter in of_question):
            return Unscored(UNPARSABLE, Evidence(exchanges))
        shares = [_shares([(order, x) for order, x in of_question if x is not None]) for of_question in read]
        values = self.elicitation.values(answered.case.content, shares)
        if isinstance(values, Unscored):
            return Unscored(values.reason, Evidence(exchanges))
        consistent = fmean(float(max(of_question) == 1) for of_question in shares)
        evidence = Evidence(exchanges, severity=values[self.elicitation.severity])
        return Scored({**values, CONSISTENCY.name: consistent}, evidence)

    def method(self) -> Mapping[str, Any]:
        """Describe how the letter is written and read."""
        return {
            **super().method(),
            "orders": f"{self.elicitation.orders.in_words}; a value is the mean over them",
            "sampling": f"greedy, at most {GREEDY.max_new_tokens} tokens",
            "answer": "one letter; a case with an answer that is not plainly one letter is unscored",
        }


def _shares(letters: Sequence[tuple[Order, int]]) -> Shares:
    """Return the share of the orders in which each option was chosen."""
    chosen = Counter(order[letter] for order, letter in letters)
    return tuple(chosen[option] / len(letters) for option in range(len(letters[0][0])))


def _exchanges(answered: Answered, letters: Sequence[int | None]) -> tuple[Exchange, ...]:
    """Return every prompt with its answer and the parsed letter."""
    return tuple(
        Exchange(
            UNPARSABLE if letter is None else f"read as {LETTERS[letter]}",
            request_text(request),
            completion.text,
        )
        for request, completion, letter in zip(
            answered.case.requests, answered.completions, letters, strict=True
        )
    )
