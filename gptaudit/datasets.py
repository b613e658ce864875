"""Public data sets in their published files, read from the folder that `--data` or `GPTAUDIT_DATA` names."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gptaudit.errors import DataError
from gptaudit.records import DataSource


class DataNotGivenError(DataError):
    """A probe needs a public data set, and no folder has it."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A public data set: where it is published, under what licence, and the hash of its published file."""

    name: str
    file: str
    """Relative to the folder of data sets."""
    source: str
    licence: str
    sha256: str
    rows: int


CROWS_PAIRS = DataSet(
    name="crows-pairs",
    file="crows-pairs/crows_pairs_anonymized.csv",
    source="https://github.com/nyu-mll/crows-pairs (Nangia et al. 2020, arXiv 2010.00133)",
    licence="CC BY-SA 4.0",
    sha256="dfb36986ce0502abbaf7055b9176da3d08d48e07df1251991b5dfbcbceab9d0c",
    rows=1508,
)

DATA_SETS: Mapping[str, DataSet] = {data_set.name: data_set for data_set in (CROWS_PAIRS,)}


def find(data_set: DataSet, folder: Path | None) -> Path:
    """Return the path of a data set's file, or raise `DataNotGivenError` saying how to name the folder."""
    if folder is None:
        msg = f"needs the data set {data_set.name} ({data_set.source}); name its folder: --data DIR or GPTAUDIT_DATA"
        raise DataNotGivenError(msg)
    path = folder / data_set.file
    if not path.is_file():
        msg = f"{path}: not found; the data set {data_set.name} comes from {data_set.source}"
        raise DataNotGivenError(msg)
    return path


def describe(data_set: DataSet, path: Path, rows: int) -> DataSource:
    """Say where rows come from, and whether they stand in the file that was published."""
    found = sha256(path)
    changed = "" if found == data_set.sha256 else ", changed: the file is not the one that was published"
    return DataSource(data_set.name + changed, data_set.source, data_set.licence, found, rows)


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_csv(path: Path, columns: tuple[str, ...]) -> list[tuple[int, Mapping[str, str]]]:
    """Read a UTF-8 CSV file with a header; return each row with the line where it begins.

    Raises `DataError` for another encoding, a missing column, a row with too few fields, or no rows.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        msg = f"{path}, line {line}: expected UTF-8, found byte {error.object[error.start]:#04x}; save it as UTF-8"
        raise DataError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise DataError(msg) from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, Mapping[str, str]]] = []
    try:
        _require_columns(reader.fieldnames or (), columns, path)
        line = reader.line_num + 1
        for row in reader:
            for column in columns:
                if row[column] is None:
                    msg = f"{path}, line {line}: the row ends before column {column!r}"
                    raise DataError(msg)
            rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        msg = f"{path}, line {reader.line_num}: expected CSV: {error}"
        raise DataError(msg) from None
    if not rows:
        msg = f"{path}: expected rows after the header, found none"
        raise DataError(msg)
    return rows


def _require_columns(found: Sequence[str], wanted: Sequence[str], path: Path) -> None:
    missing = [column for column in wanted if column not in found]
    if missing:
        msg = f"{path}, line 1: column {missing[0]!r} is missing; found {', '.join(found) or 'an empty file'}"
        raise DataError(msg)
