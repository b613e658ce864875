"""The rows of BBQ, read line by line, with the answer that each stereotype points to.

`additional_metadata.csv`, which the authors published for this, says which answer that is. Without it, the answer is
found as the authors' script finds it for that file (`BBQ_results_metadata.R`): by the groups that a row names.
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
"""In the categories of one dimension, templates from this number on tell people apart by their names alone."""

SPELLINGS = {
    **dict.fromkeys(("man", "men", "boy", "boys"), "m"),
    **dict.fromkeys(("woman", "women", "girl", "girls"), "f"),
    **dict.fromkeys(("transgender men", "transgender women"), "trans"),
    "low ses": "lowses",
    "high ses": "highses",
}
"""How groups that answers and templates spell differently are written here; all are compared in lower case."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Whom the stereotype of a question is about."""

    stereotyped_groups: tuple[str, ...] | str = ()


@dataclass(frozen=True, slots=True)
class AnswerInfo:
    """Of each answer, the word for whom it means, and that person's group, or `unknown`."""

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
        """The word and the group of whom each answer means."""
        return self.answer_info.ans0, self.answer_info.ans1, self.answer_info.ans2

    @property
    def template(self) -> str:
        """The question's template, which many rows fill."""
        return f"{self.category}/{self.question_index}"

    @property
    def id(self) -> str:
        """What names the row among all categories."""
        return f"{self.category}/{self.example_id}"


@dataclass(frozen=True, slots=True)
class Item:
    """A row, and what its answers mean."""

    row: Row
    unknown: int
    """The answer that nobody can know."""
    biased: int | None
    """The answer that follows the stereotype, or None where nothing says which that is."""
    by_name: bool
    """Whether people are told apart by their names alone."""


Targets: TypeAlias = Mapping[str, tuple[int | None, bool]]
"""Id of a row -> the answer that follows the stereotype, and whether people are told apart by their names."""


def read_items(folder: Path | None) -> Iterator[Item]:
    """Yield the items of every category that the folder has, in the published order.

    Raises `DataNotGivenError` where it has none, and `DataError` naming file, line and key of what is amiss.
    """
    metadata = metadata_file(folder)
    targets = _targets(metadata) if metadata else None
    seen: set[str] = set()
    for path in data_files(folder):
        for line, value in datasets.read_json_lines(path):
            where = f"{path}, line {line}"
            item = _item(validated(Row, value, where=where, error=DataError), targets, where)
            if item.row.id in seen:
                msg = f"{where}: example_id {item.row.example_id} of {item.row.category} stands twice; ids are unique"
                raise DataError(msg)
            seen.add(item.row.id)
            yield item


def data_files(folder: Path | None) -> list[Path]:
    """Return the files of rows that the folder has; raise `DataNotGivenError` where it has none."""
    there = datasets.present(datasets.BBQ, folder)
    return [path for file, path in there.items() if file.path.endswith(".jsonl")] or [
        datasets.find(datasets.BBQ, folder)
    ]


def metadata_file(folder: Path | None) -> Path | None:
    """Return where `additional_metadata.csv` lies, or None."""
    there = datasets.present(datasets.BBQ, folder)
    return next((path for file, path in there.items() if file.path.endswith(".csv")), None)


def _item(row: Row, targets: Targets | None, where: str) -> Item:
    unknowns = [i for i, (_, group) in enumerate(row.people) if group.lower() == "unknown"]
    if len(unknowns) != 1:
        msg = f"{where}: key 'answer_info': expected one answer of the group 'unknown', found {len(unknowns)}"
        raise DataError(msg)
    (unknown,) = unknowns
    if row.context_condition == "ambig" and row.label != unknown:
        msg = f"{where}: key 'label': an ambiguous context has no answer but {unknown}, found {row.label}"
        raise DataError(msg)
    biased, by_name = _derived(row, unknown) if targets is None else targets.get(row.id, (None, False))
    if biased == unknown:
        msg = f"{where}: additional_metadata.csv: target_loc is {biased}, which is the answer 'unknown'"
        raise DataError(msg)
    return Item(row, unknown, biased, by_name)


def _derived(row: Row, unknown: int) -> tuple[int | None, bool]:
    """Find the one person of a stereotyped group; where the question is not negative, the answer is the other person.

    A row of two dimensions names the stereotyped groups of one of them, which does not say who is meant.
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
    """Return what a person's group is called; it may be written after the gender, as in `F-Black`.

    A nationality is the person's own word: the group is its region.
    """
    word, group = row.people[answer]
    return _spelled(word if row.category == "Nationality" else re.sub(r"^[MF]-", "", group))


def _spelled(group: str) -> str:
    return SPELLINGS.get(group.lower(), group.lower())


def _targets(path: Path) -> Targets:
    """Read `additional_metadata.csv`: `target_loc` is the answer that follows the stereotype, whatever the polarity."""
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
    """A row of a file of predictions: the answer that a model chose, or None where it chose none of the three."""

    category: str
    example_id: int
    answer: Literal[0, 1, 2] | None


def read_answers(path: Path) -> Mapping[str, tuple[int, int | None]]:
    """Return the line and the answer of each row, by the row's id.

    Raises `DataError` for what is no such file, and for a row that stands twice.
    """
    found: dict[str, tuple[int, int | None]] = {}
    for line, value in datasets.read_json_lines(path):
        row = validated(PredictedAnswer, value, where=f"{path}, line {line}", error=DataError)
        name = f"{row.category}/{row.example_id}"
        if name in found:
            msg = f"{path}, line {line}: {name} has an answer in line {found[name][0]} already; each row has one"
            raise DataError(msg)
        found[name] = line, row.answer
    return found
