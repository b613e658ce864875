"""Rows: labelled texts, cleaned, with their split."""

from __future__ import annotations

import csv
import html
import math
import re
from dataclasses import dataclass
from pathlib import Path

from gptaudit.scorers.evaluation.held_out import Split, hashed_split

CLASSES = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
THRESHOLD = 0.5
"""Share of raters, or probability, from which a text counts as toxic."""


@dataclass(frozen=True)
class Row:
    """
    One labelled text; `labels` follow `CLASSES`, NaN if unknown; rows of one `cluster` are not independent.

    `source` is the data set, or SET/PART.
    """

    text: str
    labels: tuple[float, ...]
    source: str
    split: Split
    cluster: str

    @property
    def set(self) -> str:
        """The data set without its part."""
        return self.source.split("/")[0]


def known(**labels: float) -> tuple[float, ...]:
    """Return labels in the order of `CLASSES`, NaN for those not given: `known(toxicity=1.0)[0] == 1.0`."""
    return tuple(labels.get(name, math.nan) for name in CLASSES)


CLEAN = known(**dict.fromkeys(CLASSES, 0.0))


def clean(text: str) -> str:
    """Remove traces of the platform: HTML entities, handles, links, retweet marks."""
    text = html.unescape(text)
    text = re.sub(r"\bRT\b|@\w+:?|@ url|https?://\S+|\[(?:USER|URL)\]", " ", text)
    return " ".join(text.split())


def row(
    text: str, labels: tuple[float, ...], source: str, split: Split | None = None, cluster: str = ""
) -> Row:
    """Build a row with cleaned text; by default the split is hashed and the text is its own cluster."""
    text = clean(text)
    return Row(text, labels, source, split or hashed_split(text), cluster or text)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read the rows of one CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
