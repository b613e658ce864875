"""Suite files of kind `attribution`: which words carry what a suite of pairs measures.

Prompts stand in pairs that differ in one word or term (`Counterfactual`). Of each the contrast of two continuations is
attributed to its tokens, by integrated gradients (Sundararajan et al. 2017). What is measured is how much more the
continuation that the stereotype expects is preferred after the one prompt than after the other, and how much of that
stands on the words that differ: how likely the continuations are by themselves cancels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from gptaudit.probes.kinds.pairs import PairsFile
from gptaudit.probes.kinds.suite_file import SuiteFile
from gptaudit.probes.kinds.suite_probe import SuiteProbe
from pydantic import WithJsonSchema

from gptaudit.probe import Answered, ProbeContext, Scored, Unscored
from gptaudit.records import (
    AttributeRequest,
    Attribution,
    Case,
    Counterfactual,
    DataSource,
    Evidence,
    MetricSpec,
    Part,
    Spans,
)
from gptaudit.records.words import Word, split_words, words_of

OTHER_WORDS = "other words"
"""What stands for the words that two prompts share, where sums are by slot."""


@dataclass(frozen=True, slots=True)
class AttributionFile(SuiteFile):
    """Names a suite of pairs, whose prompts with their counterparts are explained."""

    named_suites: ClassVar[Mapping[str, str]] = {"explains": "pairs"}

    kind: Literal["attribution"]
    explains: Annotated[PairsFile, WithJsonSchema({"type": "string"})]
    """In the file it is the id of a built-in suite, or the path of a suite file from this one on."""

    def counterfactuals(self) -> Iterator[Counterfactual]:
        """Yield the prompts with their counterparts; of those that share templates each has one, in turns.

        Terms of as many words are matched: most are of as many tokens then, whatever the tokenizer, so that each token
        has its counterpart.
        """
        clusters: defaultdict[str, list[Counterfactual]] = defaultdict(list)
        for case in self.explains.counterfactuals(lambda text: len(split_words(text))):
            clusters[case.cluster].append(case)
        for number, cases in enumerate(clusters.values()):
            yield from [cases[number % len(cases)]] if cases[0].crossed else cases

    def case_ids(self) -> list[str]:
        """Return the id of each counterfactual."""
        return [case.id for case in self.counterfactuals()]

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from (f"key 'explains': {problem}" for problem in self.explains.problems())
        if not any(self.counterfactuals()):
            yield (
                f"key 'explains': {self.explains.id!r} has no counterfactual, a prompt whose counterpart differs in "
                "the group alone, so there is nothing to explain"
            )


class AttributionProbe(SuiteProbe):
    """Probe of an `attribution` file: one case per counterfactual, clustered as it says."""

    needs = frozenset({"gradients"})
    metrics = (
        MetricSpec(
            "stereotype_attribution",
            ideal=0.0,
            direction="target",
            unit="nats",
            title="how far the words that differ between two prompts push towards what the stereotype expects",
        ),
        MetricSpec(
            "rest_attribution",
            ideal=0.0,
            direction="target",
            unit="nats",
            title="how far the words that two prompts share push that way more in the one than in the other",
        ),
    )

    def __init__(self, file: AttributionFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file

    def cases(self, context: ProbeContext) -> Iterator[Case]:  # noqa: ARG002 - needs only the suite file
        """Yield one case per counterfactual: the prompt after which the stereotype expects the target comes first."""
        for case in self._file.counterfactuals():
            yield Case(
                id=case.id,
                cluster=case.cluster,
                crossed=case.crossed,
                requests=tuple(
                    AttributeRequest(prompt, case.target, case.foil) for prompt in (case.first, case.second)
                ),
                content={
                    "slot": case.slot,
                    "places": [[list(span) for span in places] for places in case.places],
                },
            )

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Sum the scores of the words that differ, and of the others; unscored if the scores do not add up."""
        first, second = (
            _side(found, places)
            for found, places in zip(answered.attributions, answered.case.content["places"], strict=True)
        )
        failed = next((found for found in answered.attributions if not found.converged), None)
        if failed is not None:
            return Unscored("not-converged", _evidence(answered, failed))
        if len(first.others) != len(second.others):
            return Unscored("not-aligned", _evidence(answered, first.found))
        shown = _difference(first, second)
        inside = first.inside - second.inside
        rest = sum(word.score for word in first.others) - sum(word.score for word in second.others)
        values = {"stereotype_attribution": inside, "rest_attribution": rest}
        parts = tuple(_parts(answered.case.content["slot"], first.before, shown))
        return Scored(values, _evidence(answered, shown, parts))

    def method(self) -> Mapping[str, Any]:
        """Describe the attribution method."""
        return {
            "attribution": "integrated gradients (captum); the first token enters by itself, and the path is halved "
            "where the scores do not add up",
            "baseline": "mean token embedding, as the model's embedding returns it",
            "contrast": "log-probability of what the stereotype expects after the first prompt less that of what it "
            "expects after its counterpart; the difference between the two prompts is explained",
            "explains": f"{self._file.explains.id} version {self._file.explains.version}",
            "counterparts": "terms of as many words",
        }


@dataclass(frozen=True, slots=True)
class _Side:
    """A prompt with the scores of its words: those that differ as one, and the others."""

    found: Attribution
    slot: str
    inside: float
    before: int
    """How many of the others stand before the slot."""
    others: tuple[Word, ...]


def _side(found: Attribution, places: Spans) -> _Side:
    words = words_of(found.tokens, found.offsets, found.scores)
    slot = [word for word in words if any(word.start < end and word.end > start for start, end in places)]
    others = tuple(word for word in words if word not in slot)
    return _Side(
        found,
        "".join(word.text for word in slot).strip(),
        sum(word.score for word in slot),
        sum(word.end <= slot[0].start for word in others) if slot else 0,
        others,
    )


def _difference(first: _Side, second: _Side) -> Attribution:
    """Return the scores of the first prompt less those of the second, word by word."""
    pairs = zip(first.others, second.others, strict=True)
    words = [(word.text, (word.start, word.end), word.score - other.score) for word, other in pairs]
    place = words[first.before - 1][1][1] if first.before else 0
    slot = f"{' ' * (first.before > 0)}{first.slot}/{second.slot}"
    words.insert(first.before, (slot, (place, place + len(slot)), first.inside - second.inside))
    tokens, offsets, scores = zip(*words, strict=True)
    one, other = first.found, second.found
    return replace(
        one,
        tokens=tokens,
        offsets=offsets,
        scores=scores,
        contrast=one.contrast - other.contrast,
        baseline_contrast=one.baseline_contrast - other.baseline_contrast,
        delta=one.delta - other.delta,
        steps=one.steps + other.steps,
    )


def _parts(slot: str, place: int, shown: Attribution) -> Iterator[Part]:
    """Yield what each word adds to the difference.

    Those that differ are one, at `place`: what one of them adds in its own prompt also has what all have in common.
    """
    for number, (word, score) in enumerate(zip(shown.tokens, shown.scores, strict=True)):
        yield Part(slot if number == place else OTHER_WORDS, word.strip() or word, score)


def _evidence(answered: Answered, shown: Attribution, parts: tuple[Part, ...] = ()) -> Evidence:
    one, other = (request for request in answered.case.requests if isinstance(request, AttributeRequest))
    note = f"“{one.target.strip()}” against “{one.foil.strip()}”: after “{one.prompt}” less after “{other.prompt}”"
    return Evidence(attribution=shown, note=note, severity=shown.contrast, parts=parts)
