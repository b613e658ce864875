"""Public data sets in their published files, read from the folder that `--data` or `GPTAUDIT_DATA` names."""

from __future__ import annotations

import csv
import hashlib
import io
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from gptaudit import files
from gptaudit.errors import DataError
from gptaudit.files import parse_json, read_lines, read_text
from gptaudit.markers import hookimpl
from gptaudit.protocols.data_set import DataFile, DataSet
from gptaudit.records import DataSource

T = TypeVar("T")


class DataNotGivenError(DataError):
    """A probe needs a public data set that is in no given folder."""


def _published() -> Iterator[DataSet]:
    """Yield the data sets of `data_sets.toml`."""
    text = resources.files("gptaudit.data").joinpath("data_sets.toml").read_text("utf-8")
    for name, entry in tomllib.loads(text).items():
        base, files = entry.pop("base"), entry.pop("files")
        found = (DataFile(path, base + file["at"], file["sha256"]) for path, file in files.items())
        yield DataSet(name, files=tuple(found), **entry)


DATA_SETS: Mapping[str, DataSet] = {data_set.name: data_set for data_set in _published()}
"""The data sets that built-in probes read."""

BBQ = DATA_SETS["bbq"]
BOLD = DATA_SETS["bold"]
CBBQ = DATA_SETS["cbbq"]
CHBIAS = DATA_SETS["chbias"]
CROWS_PAIRS = DATA_SETS["crows-pairs"]
HOLISTICBIAS = DATA_SETS["holisticbias"]
HONEST = DATA_SETS["honest"]
REAL_TOXICITY_PROMPTS = DATA_SETS["realtoxicityprompts"]
STEREOSET = DATA_SETS["stereoset"]
STEREOSET_TABLES = DATA_SETS["stereoset-tables"]
WINOBIAS = DATA_SETS["winobias"]
WINOGENDER = DATA_SETS["winogender"]


def find(data_set: DataSet, folder: Path | None, path: str = "") -> Path:
    """Return the local path of a file of a data set; of its first file if `path` is empty.

    Raises `DataNotGivenError`, with instructions for getting the file, if there is no folder or it lacks the file.
    """
    if folder is None:
        msg = f"needs the data set {data_set.name} ({data_set.source}); name its folder: --data DIR or GPTAUDIT_DATA"
        raise DataNotGivenError(msg)
    wanted = next(file for file in data_set.files if file.path == path or not path)
    found = present(data_set, folder).get(wanted)
    if found is None:
        msg = (
            f"{folder / wanted.path}: not found; the data set {data_set.name} comes from {data_set.source}; "
            f"fetch it with: gptaudit data fetch {data_set.name} --data {folder}"
        )
        raise DataNotGivenError(msg)
    return found


def present(data_set: DataSet, folder: Path | None) -> dict[DataFile, Path]:
    """Return the local path of each file that is present, at its published path or directly in `folder/NAME`."""
    found = {}
    for file in data_set.files if folder else ():
        places = (folder / file.path, folder / data_set.name / Path(file.path).name) if folder else ()
        path = next((place for place in places if place.is_file()), None)
        if path:
            found[file] = path
    return found


FileState: TypeAlias = Literal["missing", "differs", "unchecked"]


def faults(data_set: DataSet, folder: Path | None) -> dict[DataFile, FileState]:
    """Return the files that are missing, differ from the published ones, or have no published hash to compare with."""
    there = present(data_set, folder)
    found = {file: _fault(file, there.get(file)) for file in data_set.files}
    return {file: fault for file, fault in found.items() if fault}


def _fault(file: DataFile, path: Path | None) -> FileState | None:
    if path is None:
        return "missing"
    if not file.sha256:
        return "unchecked"
    return None if sha256(path) == file.sha256 else "differs"


def summary(data_set: DataSet, found: Mapping[DataFile, FileState]) -> str:
    """Sum up the faults of a data set: `as published`, `missing`, `6 of 12 files missing`."""
    counts, files = Counter(found.values()), len(data_set.files)
    if len(found) == files and len(counts) == 1:
        return next(iter(counts))
    words = {"differs": "differ"}
    return (
        ", ".join(f"{n} of {files} files {words.get(fault, fault)}" for fault, n in counts.items())
        or "as published"
    )


def describe(data_set: DataSet, folder: Path | None, rows: int) -> DataSource:
    """Return the source of `rows`, which says what files are missing or differ from the published ones.

    The hash of several files is the hash of their list in the format of `sha256sum`.
    """
    hashes = {file: sha256(path) for file, path in present(data_set, folder).items()}
    missing = [file.path for file in data_set.files if file not in hashes]
    changed = [file.path for file, found in hashes.items() if found != file.sha256 != ""]
    remarks = [f"without {', '.join(missing)}"] if missing else []
    remarks += [f"differs from the published file: {', '.join(changed)}"] if changed else []
    listing = "".join(f"{found}  {file.path}\n" for file, found in hashes.items())
    one = hashes.get(data_set.files[0]) if len(data_set.files) == 1 else None
    digest = one or hashlib.sha256(listing.encode()).hexdigest()
    return DataSource(
        data_set.name,
        data_set.source,
        data_set.licence,
        digest,
        rows,
        "; ".join(remarks),
        published=None if missing else data_set.rows,
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the line number and value of each line of a JSON Lines file; empty lines are skipped.

    Raises `DataError` if the file cannot be read, is not UTF-8, or has a line that is not JSON.
    """
    for number, line in read_lines(path, error=DataError):
        yield number, parse_json(line, str(path), line=number)


def read_json(path: Path, into: type[T]) -> T:
    """Return the JSON value of a UTF-8 file, validated as type `into`, such as `dict[str, list[str]]`.

    Raises `DataError` if the file is not UTF-8, not JSON or of another type, or if an object has a key twice.
    """
    from gptaudit.validation import validated

    found = files.read_json(path, error=DataError)
    return validated(into, found, where=str(path), error=DataError, strict=True)


def read_csv(
    path: Path, columns: tuple[str, ...], *, delimiter: str = ",", quoted: bool = True
) -> list[tuple[int, Mapping[str, str]]]:
    """Return the rows of a UTF-8 CSV file with a header, each with the number of its first line.

    Without `quoted`, quotation marks are ordinary characters.

    Raises `DataError` if the file is not UTF-8, lacks a column, has a row with too few fields, or has no rows.
    """
    rows = list(csv_rows(path, columns, delimiter=delimiter, quoted=quoted))
    if not rows:
        msg = f"{path}: expected rows after the header, found none"
        raise DataError(msg)
    return rows


def csv_rows(
    path: Path, columns: tuple[str, ...], *, delimiter: str = ",", quoted: bool = True
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the rows that `read_csv` returns; a file without rows is no error."""
    text = read_text(path, error=DataError)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter, quoting=quoting)
    try:
        _require_columns(reader.fieldnames or (), columns, path)
        line = reader.line_num + 1
        for row in reader:
            for column in columns:
                if row[column] is None:
                    msg = f"{path}, line {line}: the row ends before column {column!r}"
                    raise DataError(msg)
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        msg = f"{path}, line {reader.line_num}: expected CSV: {error}"
        raise DataError(msg) from None


def _require_columns(found: Sequence[str], wanted: Sequence[str], path: Path) -> None:
    twice = [column for column in wanted if found.count(column) > 1]
    if twice:
        msg = f"{path}, line 1: column {twice[0]!r} stands there twice; leave one"
        raise DataError(msg)
    missing = [column for column in wanted if column not in found]
    if missing:
        msg = f"{path}, line 1: column {missing[0]!r} is missing; found {', '.join(found) or 'an empty file'}"
        raise DataError(msg)


@hookimpl
def gptaudit_register_data_sets(register: Callable[[DataSet], None]) -> None:
    """Register the data sets that built-in probes read."""
    for data_set in DATA_SETS.values():
        register(data_set)
