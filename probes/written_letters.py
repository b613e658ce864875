"""Elicited form by the letter that a model writes, for models that only generate text.

A case is scored if its answer is the same option in whatever order the options stand. A model that always says "A" has
no such answer: it would be at chance, and chance is what a fair model is at. Answers that are not clearly one letter
are not guessed; their case is unscored, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gptaudit.probe import Answered, Scored, Unscored
from gptaudit.records import (
    Evidence,
    Exchange,
    GenerateRequest,
    Sampling,
    request_text,
)

from .answer_letters import LETTERS, read_letter
from .lettered import OPTIONS, LetteredProbe, Shares

UNPARSABLE = "unparsable"
"""Reason of a case with an answer that is not clearly one of the letters."""
FLIPS = "flips"
"""Reason of a case whose answer depends on the order of the options."""

GREEDY = Sampling(max_new_tokens=16, temperature=0.0)


class WrittenLetters(LetteredProbe):
    """The elicited form whose answer is the letter that the model writes."""

    form = "elicited"
    needs = frozenset({"generate"})
    judges_cut = True  # a letter that is cut off at its end is not read

    def request(self, prompt: str, options: int) -> GenerateRequest:  # noqa: ARG002 - the answer shows the letter
        """Return the request for a greedy answer."""
        return GenerateRequest(prompt, GREEDY)

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compute the values from the answer to each question."""
        read = [
            [(order, read_letter(c.text, len(order), cut=c.finish == "length")) for order, c in of_question]
            for of_question in self.by_question(answered.case, answered.completions)
        ]
        exchanges = _exchanges(answered, [letter for of_question in read for _, letter in of_question])
        if any(letter is None for of_question in read for _, letter in of_question):
            return Unscored(UNPARSABLE, Evidence(exchanges))
        chosen = [
            {order[letter] for order, letter in of_question if letter is not None} for of_question in read
        ]
        if any(len(options) > 1 for options in chosen):
            return Unscored(FLIPS, Evidence(exchanges))
        shares = [
            _shares(option, len(of_question[0][0]))
            for (option,), of_question in zip(chosen, read, strict=True)
        ]
        values = self.elicitation.values(answered.case.content, shares)
        if isinstance(values, Unscored):
            return Unscored(values.reason, Evidence(exchanges))
        return Scored(values, Evidence(exchanges, severity=values[self.elicitation.severity]))

    def settled(self, answered: Answered) -> list[Answered]:
        """Return a case of one question with two options, whose answer flips, with either option in both orders."""
        orders = [
            order for of_one in self.by_question(answered.case, answered.completions) for order, _ in of_one
        ]
        read = [
            read_letter(c.text, len(order), cut=c.finish == "length")
            for order, c in zip(orders, answered.completions, strict=True)
        ]
        if len(answered.case.content[OPTIONS]) != 1 or len(orders[0]) != 2 or None in read:
            return []
        return [
            replace(
                answered,
                answers=tuple(
                    replace(c, text=LETTERS[order.index(option)])
                    for order, c in zip(orders, answered.completions, strict=True)
                ),
            )
            for option in range(2)
        ]

    def method(self) -> Mapping[str, Any]:
        """Describe how the letter is written and read."""
        return {
            **super().method(),
            "sampling": f"greedy, at most {GREEDY.max_new_tokens} tokens",
            "answer": "one letter, for the same option in every order; a case with an answer that is not plainly one "
            "letter, or that flips with the order, is unscored",
        }


def _shares(chosen: int, options: int) -> Shares:
    """Return 1 for the option that was chosen, and 0 for all others."""
    return tuple(float(option == chosen) for option in range(options))


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
