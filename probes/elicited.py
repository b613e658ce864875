"""
Elicited form of a probe that compares likelihoods, for models that only generate text.

The model is asked to choose among lettered options by replying with one letter. It is asked once per option, with a
different option first each time, so that a preference for a letter is no preference for an option: a model that always
says "A" scores at chance. The values of a case are the means over these orders. Answers that are not clearly one
letter are not guessed; their case is unscored.

This measures what the model says is more likely, which may differ from its likelihoods: `method` has
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
    request_text,
)

from .answer_letters import LETTERS, read_letter

UNPARSABLE = "unparsable"
"""Reason of a case with an answer that is not clearly one of the letters."""

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
"""Key of a case's content with the number of options of each question."""


@dataclass(frozen=True, slots=True)
class LetteredQuestion:
    """A question and its options, in the order that the probe expects."""

    text: str
    options: tuple[str, ...]


Shares: TypeAlias = tuple[float, ...]
"""Share of the orders in which each option of a question was chosen; the sum is 1."""

Values: TypeAlias = Callable[[Mapping[str, Any], Sequence[Shares]], Mapping[str, float] | Unscored]
"""Function from a case's content and the shares of each of its questions to the values of the metrics."""


class Elicited(Probe):
    """The elicited form of a probe: the same cases, clusters and slices, asked as questions.

    Args:
        probe: The probe whose elicited form this is.
        questions: Function from a case of the probe to its questions; see `one_question`.
        values: See `Values`.
        severity: Name of the value that orders cases as evidence.
        metrics: Names of the probe's metrics that can be computed from the answers.
        wording: Description of the question for `method`.
        language: Language of the prompt around the question, `en` or `zh`.
    """

    needs = frozenset({"generate"})
    judges_cut = True  # a letter that is cut off at its end is not read

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
        """Yield the probe's cases, with one request per order of each question's options."""
        for case in self._probe.cases(context):
            asked = self._questions(case)
            requests = tuple(
                GenerateRequest(prompt, GREEDY) for q in asked for prompt in prompts(q, self._language)
            )
            content = {**case.content, _OPTIONS: [len(q.options) for q in asked]}
            yield replace(case, requests=requests, content=content)

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compute the values from the mean over the orders."""
        read = list(_letters(answered))
        exchanges = _exchanges(answered, [letter for of_question in read for letter in of_question])
        if any(letter is None for of_question in read for letter in of_question):
            return Unscored(UNPARSABLE, Evidence(exchanges))
        shares = [_shares([x for x in of_question if x is not None]) for of_question in read]
        values = self._values(answered.case.content, shares)
        if isinstance(values, Unscored):
            return Unscored(values.reason, Evidence(exchanges))
        consistent = fmean(float(max(of_question) == 1) for of_question in shares)
        evidence = Evidence(exchanges, severity=values[self._severity])
        return Scored({**values, CONSISTENCY.name: consistent}, evidence)

    def source(self, context: ProbeContext) -> DataSource | None:
        """Return the source of the probe."""
        return self._probe.source(context)

    def method(self) -> Mapping[str, Any]:
        """Describe the elicited form and its prompts."""
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
    """Return the metric without `binary`, since shares of orders are not only 0 or 1."""
    return replace(spec, binary=False) if isinstance(spec, MetricSpec) else spec


def one_question(text: str) -> Callable[[Case], list[LetteredQuestion]]:
    """Return a function that asks one question per case, with the texts that the probe compares as options."""
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
    """Return the elicited form of a probe whose cases compare two sentences; None if the language has no question.

    `values` takes the share of the orders in which the first sentence was chosen.
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
    """Yield one prompt per option, with that option first and the others in cyclic order.

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
    """Yield the parsed letters of the answers to each question."""
    completions = iter(answered.completions)
    for options in answered.case.content[_OPTIONS]:
        of_question = islice(completions, options)
        yield [read_letter(c.text, options, cut=c.finish == "length") for c in of_question]


def _shares(letters: Sequence[int]) -> Shares:
    """Return the share of each option; in order n, letter x is option x + n."""
    chosen = Counter((x + order) % len(letters) for order, x in enumerate(letters))
    return tuple(chosen[option] / len(letters) for option in range(len(letters)))


def _exchanges(answered: Answered, letters: Sequence[int | None]) -> tuple[Exchange, ...]:
    """Return every prompt with its answer and the parsed letter."""
    requests = [r for r in answered.case.requests if isinstance(r, GenerateRequest)]
    return tuple(
        Exchange(
            UNPARSABLE if letter is None else f"read as {LETTERS[letter]}",
            request_text(request),
            completion.text,
        )
        for request, completion, letter in zip(requests, answered.completions, letters, strict=True)
    )
