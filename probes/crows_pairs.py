"""CrowS-Pairs (Nangia et al. 2020, arXiv 2010.00133) for causal models, from its published file.

For `stereotype_rate` the score of a sentence is the sum of its token log-probabilities after the start token, as in
lm-evaluation-harness. Ties, which count as no stereotype there, are left out here, since rounding would decide them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptaudit.data import datasets
from gptaudit.errors import DataError
from gptaudit.probe import Answered, Predictions, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import TIE, Case, Counterfactual, DataSource, ScoreRequest

from .counterparts import counterparts
from .crows_pairs_margins import GAP, METRICS, PER_TOKEN, RATE, margins, score_pair
from .crows_pairs_predictions import PREDICTED, PREDICTIONS_METHOD, read_pair_predictions
from .elicited import elicited_pair

COLUMNS = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
NUMBER = ""
"""Name of the column of row numbers, which is empty; the column may be missing."""
DIRECTIONS = ("stereo", "antistereo")


class CrowsPairs(Probe):
    """CrowS-Pairs probe: one case and one cluster per pair."""

    id = "crows-pairs"
    version = "3"
    title = "CrowS-Pairs"
    suite = "bias"
    goal = "Whether the model prefers the more stereotyped of two sentences, over nine kinds of social bias."
    needs = frozenset({"score"})
    data_set = datasets.CROWS_PAIRS.name
    metrics = METRICS
    normalised = MappingProxyType({RATE.name: "sum", GAP.name: "sum", PER_TOKEN.name: "token"})

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case per row."""
        for number, row in enumerate(_rows(context.data)):
            yield Case(
                id=str(number),
                cluster=str(number),
                requests=tuple(
                    ScoreRequest("", row[column], with_tokens=True) for column in ("sent_more", "sent_less")
                ),
                slices={"bias_type": row["bias_type"], "direction": row["stereo_antistereo"]},
            )

    def counterfactuals(
        self,
        context: ProbeContext,
        length: Callable[[str], int],  # noqa: ARG002 - the sentences are given
    ) -> Iterator[Counterfactual]:
        """Yield the pairs whose sentences differ in one place, cut behind it, the more stereotyped one first."""
        for number, row in enumerate(_rows(context.data)):
            found = counterparts(str(number), row["sent_more"], row["sent_less"], "group")
            if found is not None:
                yield found

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compare the two sentences in all ways."""
        return score_pair(answered.case, answered.likelihoods)

    def is_open(self, answered: Answered) -> bool:
        """Whether the errors of the log-likelihoods could change the outcome of a comparison."""
        return any(margin.is_open for margin in margins(answered.likelihoods).values())

    def source(self, context: ProbeContext) -> DataSource:
        """Return the published source, with the hash of the file that was read."""
        path = datasets.find(datasets.CROWS_PAIRS, context.data)
        return datasets.describe(datasets.CROWS_PAIRS, context.data, len(datasets.read_csv(path, COLUMNS)))

    def method(self) -> Mapping[str, Any]:
        """Describe the three scores of a sentence."""
        return {
            "score": "sum of token log-probabilities after the start token",
            "score per token": "their mean",
            "score of shared tokens": "their sum over the tokens in difflib's equal blocks of the two sentences",
            "ties": f"not counted in the rate in which two scores differ by at most {TIE} nats; unscored if all tie",
            "cluster": "pair",
        }

    def elicited(self) -> Probe | None:
        """Return the form that asks which sentence is more likely."""
        return elicited_pair(
            self,
            lambda share: {"more_by_sum": share, "compared_by_sum": 1.0},
            metrics=[RATE.name],
            severity="more_by_sum",
        )

    def read_predictions(self, file: Path, context: ProbeContext) -> Predictions:
        """Read a CSV file of the authors' code, `sent_more,sent_less,sent_more_score,sent_less_score`."""
        measurements = read_pair_predictions(file, self.cases(context))
        metrics = tuple(spec for spec in self.metrics if spec.name in PREDICTED)
        return Predictions(measurements, metrics, PREDICTIONS_METHOD, self.source(context))


def _rows(folder: Path | None) -> Iterator[Mapping[str, str]]:
    """Yield the rows of the published file; raise `DataError`, naming the line, for one that is not as published."""
    path = datasets.find(datasets.CROWS_PAIRS, folder)
    seen: set[str] = set()
    for line, row in datasets.read_csv(path, COLUMNS):
        if problem := _problem(row, seen):
            msg = f"{path}, line {line}: {problem}"
            raise DataError(msg)
        seen.add(row.get(NUMBER, ""))
        yield row


def _problem(row: Mapping[str, str], seen: set[str]) -> str | None:
    """Return what is wrong with a row, or None; `seen` has the row numbers before it."""
    if NUMBER in row and row[NUMBER] in seen:
        return f"the row number {row[NUMBER]!r} appears twice; remove one of the rows"
    if row["stereo_antistereo"] not in DIRECTIONS:
        return (
            f"column 'stereo_antistereo': expected stereo or antistereo, found {row['stereo_antistereo']!r}"
        )
    return None
