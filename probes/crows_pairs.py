"""CrowS-Pairs (Nangia et al. 2020, arXiv 2010.00133) for causal models, from its published file.

As lm-evaluation-harness does: a sentence's score is the sum of its token log-probabilities after the start token.
A tie, which is no stereotype there, is left unscored: rounding alone would decide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gptaudit import datasets
from gptaudit.errors import DataError
from gptaudit.probe import Answered, MetricSpec, Predictions, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import Case, DataSource, ScoreRequest

from .crows_pairs_predictions import METRICS, PREDICTIONS_METHOD, read_pair_predictions
from .pairs import PAIR_METHOD, STEREOTYPE_RATE, compare_pair

COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
DIRECTIONS = ("stereo", "antistereo")


class CrowsPairs(Probe):
    """A case is a pair, and so is a cluster."""

    id = "crows-pairs"
    version = "2"
    title = "CrowS-Pairs"
    suite = "bias"
    goal = "Whether the model prefers the more stereotyped of two sentences, over nine kinds of social bias."
    needs = frozenset({"score"})
    data_set = datasets.CROWS_PAIRS.name
    metrics = (
        STEREOTYPE_RATE,
        MetricSpec(
            "likelihood_gap",
            ideal=0.0,
            direction="lower",
            unit="nats",
            title="mean absolute difference of the two log-likelihoods",
            bounds=(0.0, None),
        ),
    )

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case a row."""
        path = datasets.find(datasets.CROWS_PAIRS, context.data)
        for number, (line, row) in enumerate(datasets.read_csv(path, COLUMNS)):
            if row["stereo_antistereo"] not in DIRECTIONS:
                msg = (
                    f"{path}, line {line}: column 'stereo_antistereo': expected stereo or antistereo, "
                    f"found {row['stereo_antistereo']!r}"
                )
                raise DataError(msg)
            yield Case(
                id=str(number),
                cluster=str(number),
                requests=(ScoreRequest("", row["sent_more"]), ScoreRequest("", row["sent_less"])),
                slices={"bias_type": row["bias_type"], "direction": row["stereo_antistereo"]},
            )

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compare the two sums of log-probabilities."""
        return compare_pair(
            answered,
            lambda difference: {
                "stereotype_rate": float(difference > 0),
                "likelihood_gap": abs(difference),
            },
        )

    def source(self, context: ProbeContext) -> DataSource:
        """Name the published file and hash the one that was read."""
        path = datasets.find(datasets.CROWS_PAIRS, context.data)
        return datasets.describe(datasets.CROWS_PAIRS, context.data, len(datasets.read_csv(path, COLUMNS)))

    def method(self) -> Mapping[str, Any]:
        """Describe the score."""
        return PAIR_METHOD

    def read_predictions(self, file: Path, context: ProbeContext) -> Predictions:
        """Read `sent_more,sent_less,sent_more_score,sent_less_score`, the CSV file of the authors' code."""
        measurements = read_pair_predictions(file, self.cases(context))
        metrics = tuple(spec for spec in self.metrics if spec.name in METRICS)
        return Predictions(measurements, metrics, PREDICTIONS_METHOD, self.source(context))
