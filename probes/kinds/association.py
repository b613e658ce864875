"""How sentences about groups are completed: the probability of a category of completions.

Within a set of matched completions the probabilities are taken relative to one another,

    share = sum of P(c | text) over completions c of the category / the same over all completions of the set,

and a text's share is the mean over sets, so that no set weighs more because its words are common. How long and how
common a completion is, is the same for all groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any, Literal

from gptaudit.probes.kinds.reference_contrasts import (
    ReferenceContrastFile,
    ReferenceContrastProbe,
    difference,
    gap,
)
from gptaudit.probes.kinds.words import fill, listed, repeated, slots

from gptaudit.probe import Answered, Scored
from gptaudit.records import DataSource, Evidence, Exchange, MetricSpec, ScoreRequest

COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class AssociationFile(ReferenceContrastFile):
    """Templates with a group's word and a `{completion}`, and matched sets of completions in categories.

    A set has a completion, or several, of each category: `{ positive = "honest", negative = "dishonest" }`. The
    completions of a set should be alike in length and in how common they are; what remains of that is the same for
    all groups.
    """

    kind: Literal["association"]
    measured: str
    """The category whose share is reported."""
    sets: tuple[Mapping[str, str | tuple[str, ...]], ...]
    """CATEGORY -> completion or completions."""

    def own_slots(self) -> tuple[str, ...]:
        """Name the slot of the completion."""
        return (COMPLETION,)

    def categories(self) -> list[str]:
        """Name the categories."""
        return list(self.sets[0])

    def problems(self) -> Iterator[str]:
        """See `SuiteFile.problems`."""
        yield from ReferenceContrastFile.problems(self)
        for template in self.templates:
            if slots(template.text)[-1] != COMPLETION:
                yield f"template {template.id!r}: expected the slot {{{COMPLETION}}} after the group's word"
        if not self.sets:
            yield "key 'sets': expected at least one set of completions"
        if self.measured not in self.categories():
            yield f"key 'measured': expected one of the categories {self.categories()}, found {self.measured!r}"
        if len(self.categories()) < 2:
            yield f"key 'sets[1]': expected at least two categories, found {self.categories()}"
        for number, one in enumerate(self.sets, start=1):
            if one.keys() != self.sets[0].keys():
                yield f"key 'sets[{number}]': expected the categories {self.categories()}, found {list(one)}"
            if not all(word.strip() for words in one.values() for word in listed(words) or ("",)):
                yield f"key 'sets[{number}]': expected completions, found an empty one"
        yield from repeated(
            "completion", (word for one in self.sets for w in one.values() for word in listed(w))
        )

    def completed(self, text: str, completion: str) -> tuple[str, str]:
        """Split a text at its completion: `("She is", " kind.")`.

        The space before a completion goes with it, as most tokenizers have it.
        """
        whole = fill(text, {COMPLETION: completion})
        context = text[: text.index("{")].rstrip()
        return context, whole[len(context) :]


SHOWN = 3
"""Sets of a case that are shown as evidence: those of the largest share."""


class AssociationProbe(ReferenceContrastProbe):
    """An `association` file."""

    needs = frozenset({"score"})

    def __init__(self, file: AssociationFile, source: DataSource) -> None:
        super().__init__(file, source)
        self._file = file
        self._share = f"{file.measured}_share"
        self._completions = [
            (category == file.measured, completion)
            for one in file.sets
            for category, completions in one.items()
            for completion in listed(completions)
        ]
        """Of all sets in a row: whether it is of the measured category, and the completion."""
        self._sizes = [sum(len(listed(words)) for words in one.values()) for one in file.sets]
        self.metrics = (
            MetricSpec(
                self._share,
                ideal=1 / len(file.categories()),
                direction="target",
                unit="fraction",
                title=f"probability of the {file.measured} completions of a set, given that it is one of the set",
                bounds=(0.0, 1.0),
            ),
            gap(
                "gap",
                "fraction",
                f"that probability less its mean over the groups of reference: {', '.join(file.reference)}",
                (-1.0, 1.0),
            ),
        )

    def requests(self, text: str) -> list[ScoreRequest]:
        """Score each completion of each set."""
        return [ScoreRequest(*self._file.completed(text, completion)) for _, completion in self._completions]

    def measure(self, answered: Answered) -> Scored:
        """Take the shares of the measured category."""
        logprobs = [likelihood.logprob for likelihood in answered.likelihoods]
        by_text = [self._shares(one) for one in self.by_text(logprobs)]
        means = [sum(shares) / len(shares) for shares in by_text]
        values = {self._share: means[0], "gap": difference(means)}
        return Scored(values, self._evidence(answered, by_text[0], abs(values["gap"])))

    def is_open(self, answered: Answered) -> bool:  # noqa: ARG002 - in any answer
        """Nothing is decided by which of two log-likelihoods is larger."""
        return False

    def method(self) -> Mapping[str, Any]:
        """Describe the share."""
        return {
            "score": "sum of token log-probabilities of each completion, relative to those of its set",
            "share": "mean over sets",
            "reference": list(self._reference),
            "cluster": "template",
        }

    def _shares(self, logprobs: Sequence[float]) -> list[float]:
        """Return the share of the measured category in each set."""
        shares, start = [], 0
        for size in self._sizes:
            rows = range(start, start + size)
            highest = max(logprobs[row] for row in rows)
            weights = {row: exp(logprobs[row] - highest) for row in rows}
            of_category = sum(weight for row, weight in weights.items() if self._completions[row][0])
            shares.append(of_category / sum(weights.values()))
            start += size
        return shares

    def _evidence(self, answered: Answered, shares: Sequence[float], severity: float) -> Evidence:
        """Show the text with the sets of the largest share."""
        text = answered.case.requests[0]
        prompt = text.context if isinstance(text, ScoreRequest) else ""
        largest = sorted(range(len(shares)), key=lambda i: -shares[i])[:SHOWN]
        exchanges = (
            Exchange("set", prompt, _in_words(self._file.sets[i]), {self._share: shares[i]}) for i in largest
        )
        return Evidence(tuple(exchanges), severity=severity)


def _in_words(one: Mapping[str, str | tuple[str, ...]]) -> str:
    """Write a set as `positive: honest; negative: dishonest`."""
    return "; ".join(f"{category}: {', '.join(listed(words))}" for category, words in one.items())
