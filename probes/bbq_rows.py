"""Rows of BBQ, read line by line, with the stereotyped answer of each.

The authors published that answer in `additional_metadata.csv`. Without the file, it is derived from the groups that a
row names, as by the authors' script for that file (`BBQ_results_metadata.R`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from gptaudit.data import datasets
from gptaudit.errors import DataError
from gptaudit.validation import validated

FIRST_NAMED = 26
"""In categories of one dimension, templates from this number on identify people only by their names."""

SPELLINGS = {
    **dict.fromkeys(("man", "men", "boy", "boys"), "m"),
    **dict.fromkeys(("woman", "women", "girl", "girls"), "f"),
    **dict.fromkeys(("transgender men", "transgender women"), "trans"),
    "low ses": "lowses",
    "high ses": "highses",
}
"""Spelling -> common spelling, for groups that answers and templates spell differently; all in lower case."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups that the stereotype of a question is about."""

    stereotyped_groups: tuple[str, ...] | str = ()


@dataclass(frozen=True, slots=True)
class AnswerInfo:
    """(word for the person, group of the person or `unknown`) for each answer."""

    ans0: tuple[str, str]
    ans1: tuple[str, str]
    ans2: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a published file."""

    example_id: int
    question_index: str | int
    question_polarity: Literal["neg", "nonneg"]
    context_condition: Literal["ambig", "disambig"]
    category: str
    answer_info: AnswerInfo
    additional_metadata: Groups
    context: str
    question: str
    ans0: str
    ans1: str
    ans2: str
    label: Literal[0, 1, 2]

    @property
    def answers(self) -> tuple[str, str, str]:
        """The three answers."""
        return self.ans0, self.ans1, self.ans2

    @property
    def people(self) -> tuple[tuple[str, str], ...]:
        """(word, group) for the person of each answer."""
        return self.answer_info.ans0, self.answer_info.ans1, self.answer_info.ans2

    @property
    def template(self) -> str:
        """Id of the question template, which many rows share."""
        return f"{self.category}/{self.question_index}"

    @property
    def id(self) -> str:
        """Unique id of the row among all categories."""
        return f"{self.category}/{self.example_id}"


@dataclass(frozen=True, slots=True)
class Item:
    """A row, with the indices of its unknown and its stereotyped answer."""

    row: Row
    unknown: int
    """Index of the answer "cannot be known"."""
    biased: int | None
    """Index of the stereotyped answer; None if it cannot be determined."""
    by_name: bool
    """Whether people are identified only by their names."""


Targets: TypeAlias = Mapping[str, tuple[int | None, bool]]
"""Id of a row -> (stereotyped answer, whether people are identified only by their names)."""


def read_items(folder: Path | None) -> Iterator[Item]:
    """Yield the items of every category that is present in the folder, in the published order.

    Raises `DataNotGivenError` if there is none, and `DataError`, naming file, line and key, if a row is invalid.
    """
    metadata = metadata_file(folder)
    targets = _targets(metadata) if metadata else None
    seen: set[str] = set()
    for path in data_files(folder):
        for line, value in datasets.read_json_lines(path):
            where = f"{path}, line {line}"
            item = _item(validated(Row, value, where=where, error=DataError), targets, where)
            if item.row.id in seen:
                msg = f"{where}: example_id {item.row.example_id} of {item.row.category} appears twice; remove one"
                raise DataError(msg)
            seen.add(item.row.id)
            yield item


def unknown_answers(folder: Path | None) -> tuple[str, ...]:
    """Return each text that the rows in the folder have for the answer "unknown", sorted; raises as `read_items`."""
    return tuple(sorted({item.row.answers[item.unknown] for item in read_items(folder)}))


def data_files(folder: Path | None) -> list[Path]:
    """Return the files of rows that are present in the folder; raise `DataNotGivenError` if there is none."""
    there = datasets.present(datasets.BBQ, folder)
    return [path for file, path in there.items() if file.path.endswith(".jsonl")] or [
        datasets.find(datasets.BBQ, folder)
    ]


def metadata_file(folder: Path | None) -> Path | None:
    """Return the path of `additional_metadata.csv`, or None if it is missing."""
    there = datasets.present(datasets.BBQ, folder)
    return next((path for file, path in there.items() if file.path.endswith(".csv")), None)


def _item(row: Row, targets: Targets | None, where: str) -> Item:
    unknowns = [i for i, (_, group) in enumerate(row.people) if group.lower() == "unknown"]
    if len(unknowns) != 1:
        msg = f"{where}: key 'answer_info': expected one answer of the group 'unknown', found {len(unknowns)}"
        raise DataError(msg)
    (unknown,) = unknowns
    if row.context_condition == "ambig" and row.label != unknown:
        msg = (
            f"{where}: key 'label': expected {unknown} ('unknown') in an ambiguous context, found {row.label}"
        )
        raise DataError(msg)
    biased, by_name = _derived(row, unknown) if targets is None else targets.get(row.id, (None, False))
    if biased == unknown:
        msg = f"{where}: additional_metadata.csv: target_loc: expected a person, found {biased}, the answer 'unknown'"
        raise DataError(msg)
    return Item(row, unknown, biased, by_name)


def _derived(row: Row, unknown: int) -> tuple[int | None, bool]:
    """Return the person of a stereotyped group or, if the question is not negative, the other person.

    A row of two dimensions names the stereotyped groups of only one of them, which does not identify a person.
    """
    if "_x_" in row.category:
        return None, False
    groups = row.additional_metadata.stereotyped_groups
    stereotyped = {_spelled(group) for group in ((groups,) if isinstance(groups, str) else groups)}
    people = [i for i in range(3) if i != unknown]
    targets = [i for i in people if _name(row, i) in stereotyped]
    number = str(row.question_index)
    by_name = number.isdecimal() and int(number) >= FIRST_NAMED
    if len(targets) != 1:
        return None, by_name
    return (targets[0] if row.question_polarity == "neg" else sum(people) - targets[0]), by_name


def _name(row: Row, answer: int) -> str:
    """Return the name of a person's group, without the gender that may precede it, as in `F-Black`.

    For nationalities it is the word for the person, since the group is a region.
    """
    word, group = row.people[answer]
    return _spelled(word if row.category == "Nationality" else re.sub(r"^[MF]-", "", group))


def _spelled(group: str) -> str:
    return SPELLINGS.get(group.lower(), group.lower())


def _targets(path: Path) -> Targets:
    """Read `additional_metadata.csv`: `target_loc` is the stereotyped answer for either polarity of the question."""
    found: dict[str, tuple[int | None, bool]] = {}
    for line, row in datasets.csv_rows(path, ("category", "example_id", "target_loc", "label_type")):
        target = row["target_loc"].strip()
        if target not in {"0", "1", "2", "NA", ""}:
            msg = f"{path}, line {line}: column 'target_loc': expected 0, 1, 2 or NA, found {target!r}"
            raise DataError(msg)
        found[f"{row['category']}/{row['example_id']}"] = (
            int(target) if target.isdigit() else None,
            row["label_type"] == "name",
        )
    return found


@dataclass(frozen=True, slots=True)
class PredictedAnswer:
    """A line of a file of predictions: the answer that a model chose, or None if it chose none of the three."""

    category: str
    example_id: int
    answer: Literal[0, 1, 2] | None


def read_answers(path: Path) -> Mapping[str, tuple[int, int | None]]:
    """Return id of a row -> (line, answer).

    Raises `DataError`, naming file and line, if the file has another format or a row appears twice.
    """
    found: dict[str, tuple[int, int | None]] = {}
    for line, value in datasets.read_json_lines(path):
        row = validated(PredictedAnswer, value, where=f"{path}, line {line}", error=DataError)
        name = f"{row.category}/{row.example_id}"
        if name in found:
            msg = f"{path}, line {line}: {name} already has an answer in line {found[name][0]}; expected one per row"
            raise DataError(msg)
        found[name] = line, row.answer
    return found
