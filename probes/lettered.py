"""Questions with lettered options, in several orders, and the base of the probes that ask them.

A question is asked several times, with its options in different orders, so that a preference for a letter or a place
is no preference for an option.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations
from typing import Any, ClassVar, TypeAlias, TypeVar

from gptaudit.probe import Probe, ProbeContext, Unscored
from gptaudit.records import Case, DataSource, MetricSpec, Request

from .answer_letters import LETTERS

T = TypeVar("T")

PROMPTS = {
    "en": "{question}\n\n{options}\n\nReply with one letter: {letters}.\nAnswer:",
    "zh": "{question}\n\n{options}\n\n请只回答一个字母：{letters}。\n答案：",  # noqa: RUF001 - Chinese punctuation
}
JOINED = {"en": (", ", " or "), "zh": ("、", "或")}

OPTIONS = "elicited"
"""Key of a case's content with the number of options of each question."""


@dataclass(frozen=True, slots=True)
class LetteredQuestion:
    """A question and its options, in the order that the probe expects."""

    text: str
    options: tuple[str, ...]


Order: TypeAlias = tuple[int, ...]
"""Index of the option that each letter stands for."""


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders in which a question's options are listed."""

    in_words: str
    of: Callable[[int], Sequence[Order]]
    """Function from the number of options to their orders."""


CYCLIC = Orders(
    "as many as options, each option first once",
    lambda count: [tuple((letter + first) % count for letter in range(count)) for first in range(count)],
)
"""Every option has every letter once. Of three options or more, the first is listed before the second in most."""

ALL_ORDERS = Orders("all orders of the options", lambda count: list(permutations(range(count))))
"""Of any two options each is as often before the other."""

Shares: TypeAlias = tuple[float, ...]
"""1 for the option that is the answer to a question, 0 for the others."""

Values: TypeAlias = Callable[[Mapping[str, Any], Sequence[Shares]], Mapping[str, float] | Unscored]
"""Function from a case's content and the shares of each of its questions to the values of the metrics."""


@dataclass(frozen=True, slots=True)
class Elicitation:
    """What the elicited forms of a probe have in common."""

    probe: Probe
    questions: Callable[[Case], Sequence[LetteredQuestion]]
    """Function from a case of the probe to its questions."""
    values: Values
    severity: str
    """Name of the value that orders cases as evidence."""
    metrics: frozenset[str]
    """Names of the probe's metrics that can be computed from the answers."""
    wording: str
    """Description of the question for `method`."""
    language: str
    """Language of the prompt around the question, `en` or `zh`."""
    orders: Orders


class LetteredProbe(Probe):
    """Base of the elicited forms: the probe's cases, clusters and slices, asked as questions with lettered options."""

    form: ClassVar[str]
    """Name of the form, for the title and the method."""
    own_metrics: ClassVar[tuple[MetricSpec, ...]] = ()
    """Metrics beside those of the probe."""

    def __init__(self, elicitation: Elicitation) -> None:
        probe = elicitation.probe
        self.id, self.suite, self.version, self.goal = probe.id, probe.suite, probe.version, probe.goal
        self.title = f"{probe.title} ({self.form})"
        kept = (spec for spec in probe.metrics if spec.name in elicitation.metrics)
        self.metrics = (*kept, *self.own_metrics)
        self.elicitation = elicitation
        self.template_of = probe.template_of

    @abstractmethod
    def request(self, prompt: str, options: int) -> Request:
        """Return the request for an answer to a prompt with so many options."""

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield the probe's cases, with one request per order of each question's options."""
        how = self.elicitation
        for case in how.probe.cases(context):
            asked = how.questions(case)
            requests = tuple(
                self.request(prompt, len(question.options))
                for question in asked
                for prompt in prompts(question, how.language, how.orders)
            )
            content = {**case.content, OPTIONS: [len(question.options) for question in asked]}
            yield replace(case, requests=requests, content=content)

    def by_question(self, case: Case, answers: Sequence[T]) -> list[list[tuple[Order, T]]]:
        """Return for each question the orders of its options, each with its answer."""
        left = iter(answers)
        orders = [self.elicitation.orders.of(count) for count in case.content[OPTIONS]]
        return [list(zip(of_one, islice(left, len(of_one)), strict=True)) for of_one in orders]

    def source(self, context: ProbeContext) -> DataSource | None:
        """Return the source of the probe."""
        return self.elicitation.probe.source(context)

    def method(self) -> Mapping[str, Any]:
        """Describe the form and its prompts."""
        how = self.elicitation
        return {
            "form": self.form,
            "question": how.wording,
            "prompt": PROMPTS[how.language],
            "orders": how.orders.in_words,
            **{key: said for key, said in how.probe.method().items() if key == "cluster"},
        }


def prompts(question: LetteredQuestion, language: str = "en", orders: Orders = CYCLIC) -> Iterator[str]:
    """Yield one prompt per order of the options."""
    letters = LETTERS[: len(question.options)]
    comma, last = JOINED[language]
    named = comma.join(letters[:-1]) + last + letters[-1]
    for order in orders.of(len(letters)):
        listed = "\n".join(
            f"{letter}. {question.options[option]}" for letter, option in zip(letters, order, strict=True)
        )
        yield PROMPTS[language].format(question=question.text, options=listed, letters=named)
