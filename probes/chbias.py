"""CHBias (Zhao et al. 2023, ACL 2023): Chinese posts about a group, and the same about its counterpart.

The posts of the test split speak ill of women, of people who are not straight, of the old and of the overweight; in
the second sentence of a pair, the group is replaced. The paper tests with a paired t-test whether the perplexities of
the two differ: `perplexity_t` is its t-value, negative where the model finds the stereotype likelier. The authors'
code leaves out perplexities beyond three standard deviations; here none is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gptaudit.data import datasets
from gptaudit.errors import DataError
from gptaudit.probe import Answered, Probe, ProbeContext, Scored, Unscored
from gptaudit.records import Case, DataSource, RatioSpec, ScoreRequest

from .sentence_pairs import PAIR_METHOD, STEREOTYPE_RATE, compare_pair

PAIRS = {"age": ("old", "young"), "appearance": ("fat", "slim"), "gender": ("female", "male")} | {
    "orientation": ("lgbt", "straight")
}
"""Category -> the group that the posts are about, and its counterpart, as the files name them."""

COLUMNS = ("", "replaced_sentence")
"""The first column, without a name, numbers the sentences."""

SAME = "same-sentence"
"""Nothing was replaced: 25 of the 800 pairs."""


class ChBias(Probe):
    """A case is a pair, and so is a cluster."""

    id = "chbias"
    title = "CHBias"
    suite = "bias"
    goal = (
        "Whether the model finds a stereotype likelier about a group than about its counterpart, in Chinese."
    )
    needs = frozenset({"score"})
    data_set = datasets.CHBIAS.name
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
        """Yield one case a pair; a pair of equal sentences asks nothing, and is counted as unscored."""
        for category, pair in PAIRS.items():
            more, less = (_file(context, category, group) for group in pair)
            for number, sentences in enumerate(_sentences(more, less)):
                name = f"{category}/{number}"
                requests = tuple(ScoreRequest("", sentence) for sentence in sentences)
                asked = requests if len(set(sentences)) == 2 else ()
                yield Case(id=name, cluster=name, requests=asked, slices={"category": category})

    def measure(self, answered: Answered) -> Scored | Unscored:
        """Compare the two sums of log-probabilities, and the two perplexities."""
        if not answered.likelihoods:
            return Unscored(SAME)
        more, less = (
            math.exp(-likelihood.logprob / len(likelihood.token_logprobs))
            for likelihood in answered.likelihoods
        )
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
        """Name the published files, and count the pairs."""
        return datasets.describe(datasets.CHBIAS, context.data, sum(1 for _ in self.cases(context)))

    def method(self) -> Mapping[str, Any]:
        """Describe the scores."""
        return {**PAIR_METHOD, "perplexity": "exp of minus the mean log-probability of a sentence's tokens"}


def _file(context: ProbeContext, category: str, group: str) -> Path:
    return datasets.find(datasets.CHBIAS, context.data, f"zh-chbias/{category}/{category}_{group}_test.csv")


def _sentences(more: Path, less: Path) -> Iterator[tuple[str, str]]:
    """Yield the pairs of two files; raise `DataError` where they do not number the same sentences."""
    first, second = (datasets.read_csv(path, COLUMNS) for path in (more, less))
    if len(first) != len(second):
        msg = f"{less}: expected {len(first)} sentences, as {more.name} has, found {len(second)}"
        raise DataError(msg)
    for (_, one), (line, other) in zip(first, second, strict=True):
        if one[""] != other[""]:
            msg = f"{less}, line {line}: expected sentence {one['']}, as in {more.name}, found {other['']!r}"
            raise DataError(msg)
        yield one["replaced_sentence"].strip(), other["replaced_sentence"].strip()
