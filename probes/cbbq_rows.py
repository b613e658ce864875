"""Rows of CBBQ, read from its published files, with the stereotyped answer of each.

No column has that answer. The authors wrote every disambiguated context against the stereotype (Huang & Xiong 2023),
so the stereotyped answer there is the person who is not the right answer. For an ambiguous context it is taken from
the disambiguated templates of the category: from those with the same question, else from the one with the same
`question_index` and `question_polarity`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from gptaudit.data import datasets
from gptaudit.errors import DataError
from gptaudit.protocols.data_set import DataFile
from gptaudit.validation import validated

UNKNOWN = 2
"""Index of the answer "cannot be known" in every row."""

MISLABELLED = "educational_qualification"
"""Category with wrong columns: in all 134 disambiguated templates `label` is the person whom the context rules out, and
`question_polarity` is `neg` in all ambiguous rows. So its labels are swapped and its polarity is not used."""

COLUMNS = (
    "question_index",
    "question_polarity",
    "context_condition",
    "context",
    "question",
    "ans0",
    "ans1",
    "ans2",
    "label",
)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a published file."""

    example_id: int
    question_index: str
    question_polarity: Literal["neg", "non_neg"]
    context_condition: Literal["ambiguous", "disambiguous"]
    context: str
    question: str
    ans0: str
    ans1: str
    ans2: str
    label: Literal["0", "1", "2"]


@dataclass(frozen=True, slots=True)
class Item:
    """A row, with its category and the indices of the right and the stereotyped answer."""

    row: Row
    category: str
    right: int
    biased: int | None
    """Index of the stereotyped answer; None if no template determines it."""

    @property
    def id(self) -> str:
        """Unique id of the row; it has the context, since both files of a category count from 1."""
        return f"{self.category}/{self.row.context_condition}/{self.row.example_id}"

    @property
    def template(self) -> str:
        """Id of the question template, which many rows of both contexts share."""
        return f"{self.category}/{self.row.question_index}"


Targets: TypeAlias = Mapping[tuple[str, ...], int | None]
"""(question,) or (question_index, question_polarity) -> stereotyped answer; None if templates disagree."""


def read_items(folder: Path | None) -> Iterator[Item]:
    """Yield the items of every category that is present in the folder, in the published order.

    Raises `DataNotGivenError` if there is none, and `DataError`, naming file, line and column, if a row is invalid.
    """
    targets: dict[str, Targets] = {}
    seen: set[str] = set()
    for file, path in row_files(folder).items():
        category = file.path.split("/")[1]
        if category not in targets:
            targets[category] = _targets(folder, category)
        for line, value in datasets.csv_rows(path, ("example_id", *COLUMNS)):
            where = f"{path}, line {line}"
            item = _item(
                validated(Row, value, where=where, error=DataError), category, targets[category], where
            )
            if not file.path.endswith(f"/{item.row.context_condition}.csv"):
                msg = f"{where}: column 'context_condition': {item.row.context_condition} belongs in another file"
                raise DataError(msg)
            if item.id in seen:
                msg = f"{where}: example_id {item.row.example_id} appears twice; expected unique ids within a file"
                raise DataError(msg)
            seen.add(item.id)
            yield item


def row_files(folder: Path | None) -> dict[DataFile, Path]:
    """Return the files of rows that are present in the folder; raise `DataNotGivenError` if there is none."""
    there = datasets.present(datasets.CBBQ, folder)
    found = {file: path for file, path in there.items() if "/templates_" not in file.path}
    if not found:
        datasets.find(datasets.CBBQ, folder)
    return found


def _item(row: Row, category: str, targets: Targets, where: str) -> Item:
    label = int(row.label)
    if (row.context_condition == "ambiguous") != (label == UNKNOWN):
        wanted = "2" if row.context_condition == "ambiguous" else "0 or 1"
        msg = f"{where}: column 'label': expected {wanted} for the context {row.context_condition}, found {label}"
        raise DataError(msg)
    if label != UNKNOWN:
        biased = _biased(label, category)
        return Item(row, category, 1 - biased, biased)
    found = targets.get((row.question,))
    if found is None and category != MISLABELLED:
        found = targets.get((row.question_index, row.question_polarity))
    return Item(row, category, UNKNOWN, found)


def _biased(label: int, category: str) -> int:
    """Return the stereotyped answer of a disambiguated context from its label."""
    return label if category == MISLABELLED else 1 - label


def _targets(folder: Path | None, category: str) -> Targets:
    found: dict[tuple[str, ...], int | None] = {}
    for polarity in ("neg", "nonneg"):
        path = datasets.find(
            datasets.CBBQ, folder, f"zh-cbbq/{category}/disambiguous/templates_generate_{polarity}.csv"
        )
        for line, row in datasets.csv_rows(path, COLUMNS):
            if row["label"] not in {"0", "1"}:
                msg = f"{path}, line {line}: column 'label': expected 0 or 1, found {row['label']!r}"
                raise DataError(msg)
            biased = _biased(int(row["label"]), category)
            for key in ((row["question"],), (row["question_index"], row["question_polarity"])):
                found[key] = biased if found.get(key, biased) == biased else None
    return found
