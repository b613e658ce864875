"""How sentences about groups are completed: the probability of a category of completions.

Within a set of matched completions the probabilities are taken relative to one another,

    share = sum of P(c | text) over completions c of the category / the same over all completions of the set,

and a text's share is the mean over sets, so that no set weighs more because its words are common. How long and how
common a completion is, is the same for all groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from gptaudit.probe import Answered, MetricSpec, Scored
from gptaudit.records import DataSource, Evidence, Exchange, ScoreRequest
from gptaudit.suite import AssociationSuite
from gptaudit.suites.words import listed

from .contrasts import ContrastProbe, difference, gap

SHOWN = 3
"""Sets of a case that are shown as evidence: those of the largest share."""


class AssociationProbe(ContrastProbe):
    """An `association` suite."""

    needs = frozenset({"score"})

    def __init__(self, suite: AssociationSuite, source: DataSource) -> None:
        super().__init__(suite, source)
        self._suite = suite
        self._share = f"{suite.measured}_share"
        self._completions = [
            (category == suite.measured, completion)
            for one in suite.sets
            for category, completions in one.items()
            for completion in listed(completions)
        ]
        """Of all sets in a row: whether it is of the measured category, and the completion."""
        self._sizes = [sum(len(listed(words)) for words in one.values()) for one in suite.sets]
        self.metrics = (
            MetricSpec(
                self._share,
                ideal=1 / len(suite.categories()),
                direction="target",
                unit="fraction",
                title=f"probability of the {suite.measured} completions of a set, given that it is one of the set",
                bounds=(0.0, 1.0),
            ),
            gap(
                "gap",
                "fraction",
                f"that probability less its mean over the groups of reference: {', '.join(suite.reference)}",
                (-1.0, 1.0),
            ),
        )

    def requests(self, text: str) -> list[ScoreRequest]:
        """Score each completion of each set."""
        return [ScoreRequest(*self._suite.completed(text, completion)) for _, completion in self._completions]

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
            Exchange("set", prompt, _in_words(self._suite.sets[i]), {self._share: shares[i]}) for i in largest
        )
        return Evidence(tuple(exchanges), severity=severity)


def _in_words(one: Mapping[str, str | tuple[str, ...]]) -> str:
    """Write a set as `positive: honest; negative: dishonest`."""
    return "; ".join(f"{category}: {', '.join(listed(words))}" for category, words in one.items())
