"""Reader of scores of CrowS-Pairs' sentences, in the file format of the authors' `metric.py`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from gptaudit.data import datasets
from gptaudit.errors import DataError
from gptaudit.files import GREATEST
from gptaudit.probe import NO_PREDICTION, Scored
from gptaudit.records import TIE, Case, Likelihood, Measurement, ScoreRequest

from .crows_pairs_margins import GAP, RATE, score_pair

SCORES = ("sent_more_score", "sent_less_score")
PREDICTED = (RATE.name, GAP.name)
"""Metrics that can be computed from two sums of log-probabilities."""

PREDICTIONS_METHOD = {
    "predictions": "the log-likelihood of each sentence, as a sum over its tokens",
    "ties": f"unscored: scores that differ by at most {TIE}",
}


def read_pair_predictions(file: Path, cases: Iterable[Case]) -> list[Measurement]:
    """Measure a CSV file with the columns `sent_more,sent_less,sent_more_score,sent_less_score`; others are ignored.

    A row belongs to the case with the same two sentences; if the data set has a pair twice, the first row belongs to
    its first case. Raises `DataError`, naming the line, for a row that belongs to no case.
    """
    cases = list(cases)
    rows: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    room = Counter(map(_sentences, cases))
    for line, row in datasets.read_csv(file, ("sent_more", "sent_less", *SCORES)):
        sentences = (row["sent_more"], row["sent_less"])
        if len(rows[sentences]) == room[sentences]:
            cause = (
                "listed more often than in the data set" if room[sentences] else "not a pair of the data set"
            )
            msg = f"{file}, line {line}: {cause}: sent_more {sentences[0]!r}"
            raise DataError(f"{msg}; expected each pair of {datasets.CROWS_PAIRS.files[0].path} once")
        more, less = (_score(row[column], column, f"{file}, line {line}") for column in SCORES)
        rows[sentences].append((more, less))
    remaining = {sentences: iter(scores) for sentences, scores in rows.items()}
    return [_measured(case, next(remaining.get(_sentences(case), iter(())), None)) for case in cases]


def _sentences(case: Case) -> tuple[str, ...]:
    return tuple(r.continuation for r in case.requests if isinstance(r, ScoreRequest))


def _score(text: str, column: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = float("nan")
    if not abs(score) <= GREATEST:
        msg = f"{where}: column {column!r}: expected a log-likelihood, a finite number, found {text!r}"
        raise DataError(msg)
    return score


def _measured(case: Case, scores: tuple[float, float] | None) -> Measurement:
    if scores is None:
        return Measurement.of(case, unscored=NO_PREDICTION)
    said = score_pair(case, [Likelihood((score,), score, 0) for score in scores])
    if isinstance(said, Scored):
        return Measurement.of(case, said.values, evidence=said.evidence)
    return Measurement.of(case, unscored=said.reason, evidence=said.evidence)
