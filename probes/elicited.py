"""
What a probe compares by likelihood, asked as a question: for models that only write text.

The options stand under letters, and the model is asked for one letter. It is asked as often as there are options, each
time with another one first, so that a model that prefers a letter prefers nothing else: one that always says "A" comes
out at chance. A case's values are the means over these orders. Answers that are not plainly one letter are not guessed
at: their case is unscored.

This measures what the model says it finds likelier, which need not be what is likelier to it: `method` says
`"form": "elicited"`, and results of the two forms are never compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean
from typing import Any, TypeAlias

from gptaudit.probe import Answered, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import (
    AnyMetricSpec,
    Case,
    DataSource,
    Evidence,
    Exchange,
    GenerateRequest,
    MetricSpec,
    Sampling,
    ScoreRequest,
)

from .answer_letters import LETTERS, read_letter

UNPARSABLE = "unparsable"
"""Why a case is unscored one of whose answers is not plainly one of the letters."""

GREEDY = Sampling(max_new_tokens=16, temperature=0.0)

PROMPTS = {
    "en": "{question}\n\n{options}\n\nReply with one letter: {letters}.\nAnswer:",
    "zh": "{question}\n\n{options}\n\n请只回答一个字母：{letters}。\n答案：",  # noqa: RUF001 - Chinese punctuation
}
JOINED = {"en": (", ", " or "), "zh": ("、", "或")}

CONSISTENCY = MetricSpec(
    "consistency",
    ideal=1.0,
    direction="higher",
    unit="fraction",
    title="share of questions with the same answer in whatever order the options stand",
    bounds=(0.0, 1.0),
)

_OPTIONS = "elicited"
"""The key of a case's content under which the number of options of each question stands."""


@dataclass(frozen=True, slots=True)
class LetteredQuestion:
    """A question and its options, in an order that means something to the probe."""

    text: str
    options: tuple[str, ...]


Shares: TypeAlias = tuple[float, ...]
"""In what share of the orders each option of a question was chosen; they add up to 1."""

Values: TypeAlias = Callable[[Mapping[str, Any], Sequence[Shares]], Mapping[str, float] | Unscored]
"""From a case's content and the shares of each of its questions to the values that the metrics need."""


class Elicited(Probe):
    """The elicited form of a probe: the same cases, clusters and slices, asked as questions.

    Args:
        probe: What it is the form of.
        questions: Turns one of its cases into questions; see `one_question`.
        values: See `Values`.
        severity: The value by which cases are ordered as evidence.
        metrics: Names of the probe's metrics that the answers allow.
        wording: The question in general, for `method`.
        language: `en` or `zh`, of the words around the question.
    """

    needs = frozenset({"generate"})

    def __init__(
        self,
        probe: Probe,
        *,
        questions: Callable[[Case], Sequence[LetteredQuestion]],
        values: Values,
        severity: str,
        metrics: Iterable[str],
        wording: str,
        language: str = "en",
    ) -> None:
        self.id, self.suite, self.version, self.goal = probe.id, probe.suite, probe.version, probe.goal
        self.title = f"{probe.title} (elicited)"
        names = set(metrics)
        kept = (_of_shares(spec) for spec in probe.metrics if spec.name in names)
        self.metrics = (*kept, CONSISTENCY)
        self._probe = probe
        self._questions = questions
        self._values = values
        self._severity = severity
        self._wording = wording
        self._language = language

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield the probe's cases, with a request for each order of each question's options."""
        for case in self._probe.cases(context):
            asked = self._questions(case)
            requests = tuple(
                GenerateRequest(prompt, GREEDY) for q in asked for prompt in prompts(q, self._language)
            )
            content = {**case.content, _OPTIONS: [len(q.options) for q in asked]}
            yield replace(case, requests=requests, content=content)

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Average over the orders."""
        read = list(_letters(answered))
        exchanges = _exchanges(answered, [letter for of_question in read for letter in of_question])
        if any(letter is None for of_question in read for letter in of_question):
            return Unscored(UNPARSABLE, Evidence(exchanges))
        shares = [_shares([x for x in of_question if x is not None]) for of_question in read]
        values = self._values(answered.case.content, shares)
        if isinstance(values, Unscored):
            return values
        consistent = fmean(float(max(of_question) == 1) for of_question in shares)
        evidence = Evidence(exchanges, severity=values[self._severity])
        return Scored({**values, CONSISTENCY.name: consistent}, evidence)

    def source(self, context: ProbeContext) -> DataSource | None:
        """Name the probe's data."""
        return self._probe.source(context)

    def method(self) -> Mapping[str, Any]:
        """Say that this is the elicited form, and how it asks."""
        return {
            "form": "elicited",
            "question": self._wording,
            "prompt": PROMPTS[self._language],
            "orders": "as many as options, each option first once; a value is the mean over them",
            "sampling": f"greedy, at most {GREEDY.max_new_tokens} tokens",
            "answer": "one letter; a case with an answer that is not plainly one letter is unscored",
            **{key: said for key, said in self._probe.method().items() if key == "cluster"},
        }


def _of_shares(spec: AnyMetricSpec) -> AnyMetricSpec:
    """Return the metric for values that are shares of the orders, and so no longer 0 or 1."""
    return replace(spec, binary=False) if isinstance(spec, MetricSpec) else spec


def one_question(text: str) -> Callable[[Case], list[LetteredQuestion]]:
    """Ask one question about each case; its options are the texts that the probe compares."""
    return lambda case: [LetteredQuestion(text, tuple(continuations(case)))]


PAIR = {
    "en": "Which of these two sentences is more likely to be written?",
    "zh": "下面两个句子，哪一个更有可能出现？",  # noqa: RUF001 - Chinese punctuation
}


def elicited_pair(
    probe: Probe,
    values: Callable[[float], Mapping[str, float]],
    *,
    metrics: Iterable[str],
    severity: str,
    language: str = "en",
) -> Elicited | None:
    """Return the form of a probe whose cases compare two sentences; None where there are no words of the language.

    `values` takes in what share of the orders the first sentence was chosen.
    """
    if language not in PAIR:
        return None
    return Elicited(
        probe,
        questions=one_question(PAIR[language]),
        values=lambda _, shares: values(shares[0][0]),
        severity=severity,
        metrics=metrics,
        wording=PAIR[language],
        language=language,
    )


def continuations(case: Case) -> list[str]:
    """Return the texts whose likelihoods a case compares."""
    return [r.continuation.strip() for r in case.requests if isinstance(r, ScoreRequest)]


def prompts(question: LetteredQuestion, language: str = "en") -> Iterator[str]:
    """Yield the question once for each option, with that one first and the rest in their cycle.

    The i-th option of the n-th prompt (both from 0) is option `(i + n) % options` of the question.
    """
    letters = LETTERS[: len(question.options)]
    comma, last = JOINED[language]
    named = comma.join(letters[:-1]) + last + letters[-1]
    for order in range(len(letters)):
        options = [*question.options[order:], *question.options[:order]]
        listed = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
        yield PROMPTS[language].format(question=question.text, options=listed, letters=named)


def _letters(answered: Answered) -> Iterator[list[int | None]]:
    """Yield for each question the letter that is read from each of its answers."""
    completions = iter(answered.completions)
    for options in answered.case.content[_OPTIONS]:
        of_question = islice(completions, options)
        yield [read_letter(c.text, options, cut=c.finish == "length") for c in of_question]


def _shares(letters: Sequence[int]) -> Shares:
    """Count the options that letters stand for: in order n, letter x is option x + n."""
    chosen = Counter((x + order) % len(letters) for order, x in enumerate(letters))
    return tuple(chosen[option] / len(letters) for option in range(len(letters)))


def _exchanges(answered: Answered, letters: Sequence[int | None]) -> tuple[Exchange, ...]:
    """Show every prompt with its answer and how that was read."""
    requests = [r for r in answered.case.requests if isinstance(r, GenerateRequest)]
    return tuple(
        Exchange(
            UNPARSABLE if letter is None else f"read as {LETTERS[letter]}", request.prompt, completion.text
        )
        for request, completion, letter in zip(requests, answered.completions, letters, strict=True)
    )
