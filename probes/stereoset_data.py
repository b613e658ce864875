"""Items of StereoSet, read from `dev.json`, from CSV tables of the same sentences, or from a file of labels only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from gptaudit.data import datasets
from gptaudit.data.datasets import STEREOSET, STEREOSET_TABLES
from gptaudit.errors import DataError
from gptaudit.files import read_json
from gptaudit.records import DataSource
from gptaudit.validation import validated

Task: TypeAlias = Literal["intrasentence", "intersentence"]
Label: TypeAlias = Literal["stereotype", "anti-stereotype", "unrelated"]
Domain: TypeAlias = Literal["gender", "profession", "race", "religion"]

TASKS: tuple[Task, ...] = ("intrasentence", "intersentence")
DOMAINS: tuple[Domain, ...] = ("gender", "profession", "race", "religion")
LABELS: tuple[Label, ...] = ("stereotype", "anti-stereotype", "unrelated")
LABELS_FILE = "stereoset/labels_all.json"
_COLUMNS: Mapping[Label, str] = {
    "stereotype": "Stereotype Sentence",
    "anti-stereotype": "Anti-stereotype Sentence",
    "unrelated": "Unrelated Sentence",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of an item's three sentences; tables have no ids, and a file of labels has no texts."""

    id: str
    gold_label: Label
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """A context and its three sentences, in the order of `LABELS`."""

    id: str
    target: str
    bias_type: Domain
    sentences: tuple[Sentence, ...]
    context: str = ""
    task: Task = "intrasentence"


def read_items(folder: Path | None) -> list[Item]:
    """Read all items with their texts, from `dev.json` if it is present, else from the tables.

    Raises `DataError`, naming file and item or line, if a file is missing or invalid.
    """
    if datasets.present(STEREOSET, folder) or not datasets.present(STEREOSET_TABLES, folder):
        return _read_json(datasets.find(STEREOSET, folder), texts=True)
    return [item for task in TASKS for domain in DOMAINS for item in _read_table(folder, task, domain)]


def describe_items(folder: Path | None, rows: int) -> DataSource:
    """Return the source of the items that `read_items` returns."""
    official = datasets.present(STEREOSET, folder)
    return datasets.describe(STEREOSET if official else STEREOSET_TABLES, folder, rows)


def read_labels(folder: Path | None) -> tuple[list[Item], DataSource]:
    """Read all items with the ids of their sentences, from `dev.json` if present, else from the file of labels."""
    labels = folder / LABELS_FILE if folder else None
    if labels is None or datasets.present(STEREOSET, folder) or not labels.is_file():
        items = _read_json(datasets.find(STEREOSET, folder), texts=False)
        return items, datasets.describe(STEREOSET, folder, len(items))
    items = _read_json(labels, texts=False)
    digest = datasets.sha256(labels)
    return items, DataSource("stereoset (labels)", STEREOSET.source, STEREOSET.licence, digest, len(items))


def _read_json(path: Path, *, texts: bool) -> list[Item]:
    found = read_json(path, error=DataError)
    tasks = found.get("data", found) if isinstance(found, dict) else found
    read = validated(dict[Task, list[Item]], tasks, where=str(path), error=DataError)
    items = [_sorted(item, task, path, texts=texts) for task in TASKS for item in read.get(task, ())]
    _require_distinct(items, path)
    return items


def _sorted(item: Item, task: Task, path: Path, *, texts: bool) -> Item:
    """Return an item with its task, and its sentences in the order of `LABELS`."""
    by_label = {sentence.gold_label: sentence for sentence in item.sentences}
    if len(item.sentences) != len(LABELS) or len(by_label) != len(LABELS):
        found = ", ".join(sentence.gold_label for sentence in item.sentences) or "none"
        msg = f"{path}: item {item.id!r}: expected one sentence of each gold_label {', '.join(LABELS)}; found {found}"
        raise DataError(msg)
    if texts and not all(sentence.sentence.strip() for sentence in item.sentences):
        msg = f"{path}: item {item.id!r}: key 'sentence' is missing or empty; fetch the published file again"
        raise DataError(msg)
    sentences = tuple(by_label[label] for label in LABELS)
    return Item(item.id, item.target, item.bias_type, sentences, item.context, task)


def _require_distinct(items: list[Item], path: Path) -> None:
    if not items:
        msg = f"{path}: expected items under {' and '.join(TASKS)}, found none"
        raise DataError(msg)
    seen: set[str] = set()
    for name in (name for item in items for name in (item.id, *(s.id for s in item.sentences))):
        if name in seen:
            msg = f"{path}: id {name!r} appears twice; expected unique ids, as in the published file"
            raise DataError(msg)
        seen.add(name)


def _read_table(folder: Path | None, task: Task, domain: Domain) -> Iterator[Item]:
    path = datasets.find(STEREOSET_TABLES, folder, f"stereoset/csv/{task}_{domain}.csv")
    rows = datasets.read_csv(path, ("Domain", "Target", "Context", *_COLUMNS.values()))
    for number, (line, row) in enumerate(rows, start=1):
        if row["Domain"] != domain:
            msg = f"{path}, line {line}: column 'Domain': expected {domain}, found {row['Domain']!r}"
            raise DataError(msg)
        empty = [column for column in _COLUMNS.values() if not row[column].strip()]
        if empty:
            msg = f"{path}, line {line}: column {empty[0]!r}: expected a sentence, found none"
            raise DataError(msg)
        sentences = tuple(Sentence("", label, row[column]) for label, column in _COLUMNS.items())
        yield Item(f"{task}/{domain}/{number}", row["Target"], domain, sentences, row["Context"], task)
