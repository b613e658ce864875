"""Suite files of kind `association`: the probability of a category of completions, by group.

Within a set of matched completions, probabilities are normalised,

    share = sum of P(c | text) over completions c of the category / the same over all completions of the set,

and the share of a text is the mean over sets, so that a set of frequent words has no greater weight. The length and
frequency of a completion affect all groups equally.
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

    A set has one or more completions for each category: `{ positive = "honest", negative = "dishonest" }`. The
    completions of a set should have similar length and frequency; remaining differences affect all groups equally.
    """

    kind: Literal["association"]
    measured: str
    """Category whose share is reported."""
    sets: tuple[Mapping[str, str | tuple[str, ...]], ...]
    """Category -> one or more completions."""

    def own_slots(self) -> tuple[str, ...]:
        """Return the slot of the completion."""
        return (COMPLETION,)

    def categories(self) -> list[str]:
        """Return the categories, in the order of the first set."""
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
        """Split a text into context and completion: `("She is", " kind.")`.

        The space before a completion belongs to it, as in most tokenizers.
        """
        whole = fill(text, {COMPLETION: completion})
        context = text[: text.index("{")].rstrip()
        return context, whole[len(context) :]


SHOWN = 3
"""Number of sets shown as evidence of a case: those with the largest shares."""


class AssociationProbe(ReferenceContrastProbe):
    """Probe of an `association` file."""

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
        """(is of the measured category, completion) for the completions of all sets, in order."""
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
        """Return one score request per completion, set by set."""
        return [ScoreRequest(*self._file.completed(text, completion)) for _, completion in self._completions]

    def measure(self, answered: Answered) -> Scored:
        """Compute the share of the measured category and its gap."""
        logprobs = [likelihood.logprob for likelihood in answered.likelihoods]
        by_text = [self._shares(one) for one in self.by_text(logprobs)]
        means = [sum(shares) / len(shares) for shares in by_text]
        values = {self._share: means[0], "gap": difference(means)}
        return Scored(values, self._evidence(answered, by_text[0], abs(values["gap"])))

    def method(self) -> Mapping[str, Any]:
        """Describe how the share is computed."""
        return {
            "score": "sum of token log-probabilities of each completion, relative to those of its set",
            "share": "mean over sets",
            "reference": list(self._reference),
            "cluster": self.cluster,
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
        """Return the text with the sets that have the largest shares."""
        text = answered.case.requests[0]
        prompt = text.context if isinstance(text, ScoreRequest) else ""
        largest = sorted(range(len(shares)), key=lambda i: -shares[i])[:SHOWN]
        exchanges = (
            Exchange("set", prompt, _in_words(self._file.sets[i]), {self._share: shares[i]}) for i in largest
        )
        return Evidence(tuple(exchanges), severity=severity)


def _in_words(one: Mapping[str, str | tuple[str, ...]]) -> str:
    """Format a set as `positive: honest; negative: dishonest`."""
    return "; ".join(f"{category}: {', '.join(listed(words))}" for category, words in one.items())
