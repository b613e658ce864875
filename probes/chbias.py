"""CHBias (Zhao et al. 2023, ACL 2023): Chinese posts about a group, and the same posts about another group.

The posts of the test split disparage women, people who are not straight, old and overweight people; in the second
sentence of a pair, the group is replaced. The paper compares the perplexities of the two with a paired t-test:
`perplexity_t` is its t-value, negative if stereotypes are more likely. The authors' code excludes perplexities beyond
three standard deviations; here none are excluded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gptaudit.data import datasets
from gptaudit.errors import DataError
from gptaudit.probe import Answered, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import Case, DataSource, RatioSpec, ScoreRequest

from .log_probabilities import mean_logprob
from .sentence_pairs import PAIR_METHOD, STEREOTYPE_RATE, compare_pair

PAIRS = {"age": ("old", "young"), "appearance": ("fat", "slim"), "gender": ("female", "male")} | {
    "orientation": ("lgbt", "straight")
}
"""Category -> group that the posts are about, and the group that replaces it, as in the file names."""

COLUMNS = ("", "replaced_sentence")
"""The first column has no name and holds the number of the sentence."""

SAME = "same-sentence"
"""Reason of the 25 of 800 pairs in which nothing was replaced."""


class ChBias(Probe):
    """CHBias probe: one case and one cluster per pair."""

    id = "chbias"
    title = "CHBias"
    suite = "bias"
    goal = (
        "Whether the model finds a stereotype likelier about a group than about its counterpart, in Chinese."
    )
    needs = frozenset({"score"})
    data_set = datasets.CHBIAS.name
    normalised = MappingProxyType({STEREOTYPE_RATE.name: "sum"})
    metrics = (
        STEREOTYPE_RATE,
        RatioSpec(
            "perplexity_t",
            ideal=0.0,
            direction="target",
            unit="t",
            title="paired t-value of the perplexities of stereotypes less those of their counterparts; "
            "it grows with the number of pairs",
            formula="difference * sqrt((pair - 1) / (pair * square - difference * difference))",
        ),
    )

    def cases(self, context: ProbeContext) -> Iterator[Case]:
        """Yield one case per pair; a pair of equal sentences has no requests and is unscored."""
        for category, pair in PAIRS.items():
            more, less = (_file(context, category, group) for group in pair)
            for number, sentences in enumerate(_sentences(more, less)):
                name = f"{category}/{number}"
                requests = tuple(ScoreRequest("", sentence) for sentence in sentences)
                asked = requests if len(set(sentences)) == 2 else ()
                yield Case(id=name, cluster=name, requests=asked, slices={"category": category})

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compare the log-likelihoods and the perplexities of the two sentences."""
        if not answered.likelihoods:
            return Unscored(SAME)
        more, less = (math.exp(-mean_logprob(likelihood)) for likelihood in answered.likelihoods)
        return compare_pair(
            answered,
            lambda difference: {
                "stereotype_rate": float(difference > 0),
                "pair": 1.0,
                "difference": more - less,
                "square": (more - less) ** 2,
            },
        )

    def source(self, context: ProbeContext) -> DataSource:
        """Return the source of the published files, with the number of pairs."""
        return datasets.describe(datasets.CHBIAS, context.data, sum(1 for _ in self.cases(context)))

    def method(self) -> Mapping[str, Any]:
        """Describe the scores of a sentence."""
        return {**PAIR_METHOD, "perplexity": "exp of minus the mean log-probability of a sentence's tokens"}


def _file(context: ProbeContext, category: str, group: str) -> Path:
    return datasets.find(datasets.CHBIAS, context.data, f"zh-chbias/{category}/{category}_{group}_test.csv")


def _sentences(more: Path, less: Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two files; raise `DataError` if the numbers of their sentences differ."""
    first, second = (datasets.read_csv(path, COLUMNS) for path in (more, less))
    if len(first) != len(second):
        msg = f"{less}: expected {len(first)} sentences, as {more.name} has, found {len(second)}"
        raise DataError(msg)
    for (_, one), (line, other) in zip(first, second, strict=True):
        if one[""] != other[""]:
            msg = f"{less}, line {line}: expected sentence {one['']}, as in {more.name}, found {other['']!r}"
            raise DataError(msg)
        yield one["replaced_sentence"].strip(), other["replaced_sentence"].strip()
