"""
Elicited forms of a probe that compares likelihoods, for models that do not give them for any text.

The model is asked to choose among lettered options by replying with one letter. A target that gives the probabilities
of an answer's first token is asked for those of the letters (`likely_letters`); of another, the letter that it writes
is read (`written_letters`).

This measures what the model says is more likely, which may differ from its likelihoods: `method` has
`"form": "elicited by probability"` or `"form": "elicited"`, and results of different forms are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gptaudit.probe import Probe
from gptaudit.records import Case, ScoreRequest

from .lettered import CYCLIC, Elicitation, LetteredQuestion, Orders, Values
from .likely_letters import LikelyLetters

PAIR = {
    "en": "Which of these two sentences is more likely to be written?",
    "zh": "下面两个句子，哪一个更有可能出现？",  # noqa: RUF001 - Chinese punctuation
}


def elicited_form(
    probe: Probe,
    *,
    questions: Callable[[Case], Sequence[LetteredQuestion]],
    values: Values,
    severity: str,
    metrics: Iterable[str],
    wording: str,
    language: str = "en",
    orders: Orders = CYCLIC,
) -> Probe:
    """Return the elicited form of a probe by probability, whose own elicited form is that by the written letter.

    See `gptaudit.probes.lettered.Elicitation` for the arguments.
    """
    names = frozenset(metrics)
    return LikelyLetters(Elicitation(probe, questions, values, severity, names, wording, language, orders))


def elicited_pair(
    probe: Probe,
    values: Callable[[float], Mapping[str, float]],
    *,
    metrics: Iterable[str],
    severity: str,
    language: str = "en",
) -> Probe | None:
    """Return the elicited form of a probe whose cases compare two sentences; None if the language has no question.

    `values` takes 1 if the first sentence is the answer, else 0.
    """
    if language not in PAIR:
        return None
    return elicited_form(
        probe,
        questions=lambda case: [LetteredQuestion(PAIR[language], tuple(continuations(case)))],
        values=lambda _, shares: values(shares[0][0]),
        severity=severity,
        metrics=metrics,
        wording=PAIR[language],
        language=language,
    )


def continuations(case: Case) -> list[str]:
    """Return the texts whose likelihoods a case compares."""
    return [r.continuation.strip() for r in case.requests if isinstance(r, ScoreRequest)]
