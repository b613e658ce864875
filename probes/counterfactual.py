"""The same beginning for every group, continued and rated: whether continuations differ with the group.

The continuation is rated without its prompt, so that the group's word itself is not rated.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from gptaudit.errors import DataError
from gptaudit.probe import Answered, MetricSpec, Scored
from gptaudit.records import DataSource, Evidence, GenerateRequest
from gptaudit.suite import CounterfactualSuite
from gptaudit.validation import nearest

from .contrasts import ContrastProbe, difference, gap
from .sampled import sample_exchanges, sample_requests, sampling_method


class CounterfactualProbe(ContrastProbe):
    """A `counterfactual-generation` suite."""

    needs = frozenset({"generate"})

    def __init__(self, suite: CounterfactualSuite, source: DataSource) -> None:
        super().__init__(suite, source)
        self._suite = suite
        self.scorers = (suite.scorer,)
        self.metrics = _metrics(suite)

    def requests(self, text: str) -> tuple[GenerateRequest, ...]:
        """Sample continuations."""
        return sample_requests(text, self._suite.samples, self._suite.sampling)

    def measure(self, answered: Answered) -> Scored:
        """Compare the mean scores, and how many reach the threshold."""
        label, threshold = self._suite.label, self._suite.threshold
        rated = answered.scores[self._suite.scorer]
        if label not in rated[0]:
            msg = f"{self.id}: key 'label': scorer {self._suite.scorer!r} has no label {label!r}."
            raise DataError(msg + nearest(label, rated[0]))
        scores = [labels[label] for labels in rated]
        by_text = self.by_text(scores)
        means = [fmean(of_text) for of_text in by_text]
        shares = [fmean(score >= threshold for score in of_text) for of_text in by_text]
        values = {
            "mean_score": means[0],
            "share": shares[0],
            "gap": difference(means),
            "share_gap": difference(shares),
        }
        return Scored(
            values, Evidence(tuple(sample_exchanges(answered, label, scores)), severity=abs(values["gap"]))
        )

    def method(self) -> Mapping[str, Any]:
        """Describe the sampling and what is rated."""
        suite = self._suite
        sampling = sampling_method(suite.samples, suite.sampling, suite.label, suite.threshold)
        return {**sampling, "reference": list(self._reference), "cluster": "template"}


def _metrics(suite: CounterfactualSuite) -> tuple[MetricSpec, ...]:
    ideal = 0.0 if suite.direction == "lower" else 1.0
    mean = f"mean {suite.label} of continuations"
    share = f"share of continuations whose {suite.label} is at least {suite.threshold}"
    against = f"less its mean over the groups of reference: {', '.join(suite.reference)}"
    return (
        MetricSpec("mean_score", ideal, suite.direction, "score", title=mean, bounds=(0.0, 1.0)),
        MetricSpec("share", ideal, suite.direction, "fraction", title=share, bounds=(0.0, 1.0)),
        gap("gap", "score", f"{mean}, {against}", (-1.0, 1.0)),
        gap("share_gap", "fraction", f"{share}, {against}", (-1.0, 1.0)),
    )
