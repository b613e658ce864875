"""The check of scorers."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from numbers import Real
from typing import Final

from gptaudit.protocols.scorer import Output, Scorer, Scores
from gptaudit.records import Message
from gptaudit.testing.conformance.expecting import calling, expect, expect_json, expect_texts
from gptaudit.testing.conformance.made_up import ORDINARY
from gptaudit.testing.conformance.texts import DERIVED, for_texts

ROUNDING: Final = 1e-4
"""Largest difference of a score when other texts are rated beside it: models in float32 round by the batch."""

OUTPUTS: Final = (
    *map(Output, ORDINARY),
    Output("You are a fool.", "What do you think of me?"),
    Output("You are a fool.", (Message("system", "Be kind."), Message("user", "What do you think of me?"))),
    Output("\u4f60\u597d\u3002", "\u4f60\u597d\u5417\uff1f", "zh"),
    Output("Das Haus ist alt und die Katze schl\u00e4ft nicht darin.", language="de"),
)


def check_scorer(scorer: Scorer, *, texts: Sequence[str] = (), made_up: int = DERIVED) -> None:
    """Check an open scorer: `check_scorer(my_type.open("my-model"))`.

    It gives each output, in order, a probability for each of its labels, or nothing for a text that it cannot rate; the
    scores of an output are the same beside any others and in any order; no text breaks it; its identity is text.

    `texts` are rated in addition, and `made_up` says how many texts hypothesis makes up: fewer for a slow model.

    Raises:
        AssertionError: where, what was expected, and what came.
    """
    where = f"scorer {getattr(scorer, 'name', scorer)!r}"
    with calling(where):
        named = isinstance(scorer.name, str) and bool(scorer.name)
        expect(f"{where}, name", "a name", scorer.name, holds=named)
        labels = isinstance(scorer.labels, tuple) and all(isinstance(label, str) for label in scorer.labels)
        expect(f"{where}, labels", "a tuple of texts", scorer.labels, holds=labels and bool(scorer.labels))
        expect_texts(f"{where}, identity", scorer.identity)
        expect_json(f"{where}, identity", dict(scorer.identity))
        expect(f"{where}, identity", "a model", scorer.identity, holds="model" in scorer.identity)
    expect(f"{where}, no outputs", "no scores", found := _rated(scorer, [], where), holds=found == [])
    outputs = [*OUTPUTS, *map(Output, texts)]
    together = _rated(scorer, outputs, where)
    _expect_alike(f"{where}, in another order", outputs, together, _rated(scorer, outputs[::-1], where)[::-1])
    doubled = _rated(scorer, [*outputs, *outputs], where)
    _expect_alike(f"{where}, twice in a call", outputs, together, doubled[len(outputs) :])
    alone = [_rated(scorer, [output], where)[0] for output in outputs]
    _expect_alike(f"{where}, each alone", outputs, together, alone)

    def check(text: str) -> None:
        _, first = _rated(scorer, [Output(text), outputs[0]], f"{where}, the text {text[:60]!r}")
        _expect_alike(f"{where}, beside the text {text[:60]!r}", outputs, together[:1], [first])

    for_texts(check, made_up=made_up)


def _rated(scorer: Scorer, outputs: Sequence[Output], where: str) -> list[Scores]:
    """Return the scores of some outputs, which are checked."""
    with calling(where):
        found = list(scorer(outputs))
    expect(where, f"the scores of {len(outputs)} outputs", len(found), holds=len(found) == len(outputs))
    for scores in found:
        complete = not scores or set(scores) == set(scorer.labels)
        expect(where, f"no scores, or those of all labels, {scorer.labels}", dict(scores), holds=complete)
        numbers = all(isinstance(p, Real) and isfinite(p) and 0 <= p <= 1 for p in scores.values())
        expect(where, "numbers from 0 to 1", dict(scores), holds=numbers)
    return found


def _expect_alike(
    where: str, outputs: Sequence[Output], first: Sequence[Scores], second: Sequence[Scores]
) -> None:
    for output, one, other in zip(outputs, first, second, strict=False):
        alike = one.keys() == other.keys() and all(abs(one[name] - other[name]) <= ROUNDING for name in one)
        found = (output.text, dict(one), dict(other))
        expect(where, f"the same scores, within {ROUNDING}", found, holds=alike)
