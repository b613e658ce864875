"""What the store of an audit holds, for those who only read it: measurements, and cases with their answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, TypeAdapter

from gptaudit.errors import DataError
from gptaudit.evidence.binding import table_digests
from gptaudit.evidence.cache import checksum
from gptaudit.evidence.database import Database
from gptaudit.evidence.plan import REQUEST
from gptaudit.records import Answer, Case, Measurement, Request

FILE_NAME = "evidence.sqlite"
VERSION = "3"

ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])
CASE = TypeAdapter(Case)
MEASUREMENT = TypeAdapter(Measurement)
KEYS = TypeAdapter(list[str])

AnsweredCase: TypeAlias = tuple[int, Case, tuple[Answer | None, ...]]
"""A case with its position and answers; None stands for a request not answered yet."""

_EXCHANGES = """
SELECT key, request, answer, checksum FROM requests LEFT JOIN answers USING (key)
WHERE key IN (SELECT value FROM json_each(?))
"""
_CASE_KEYS = "SELECT id, keys FROM cases WHERE probe = ? AND id IN (SELECT value FROM json_each(?))"
_CASES = """
SELECT position, body, keys FROM cases WHERE position > ? AND probe = ? AND look >= ? ORDER BY position
"""
_MEASUREMENTS = """
SELECT position, measurement FROM measurements WHERE position > ? AND probe = ? ORDER BY position
"""


def open_evidence(folder: Path) -> Database:
    """Open the store beside `results.json` for reading; raise `DataError` if it is missing or damaged."""
    path = folder / FILE_NAME
    if not path.is_file():
        msg = f"{path}: not found; it must be in the folder of results.json. Restore it, or run that audit again"
        raise DataError(msg)
    return Database.read_only(path, version=VERSION)


class StoredMeasurements(Mapping[str, Iterable[Measurement]]):
    """The measurements of a finished audit by probe, read from its store on access."""

    def __init__(self, folder: Path) -> None:
        """Open the store beside `results.json`; raise `DataError` if it is missing or damaged."""
        self._db = open_evidence(folder)
        self._probes = [name for (name,) in self._db.rows("SELECT DISTINCT probe FROM measurements")]

    @property
    def digest(self) -> str:
        """The SHA-256 of all measurements."""
        return table_digests(self._db, ("measurements",))["measurements"]

    def __getitem__(self, probe: str) -> Iterator[Measurement]:
        if probe not in self._probes:
            raise KeyError(probe)
        return measurements_of(self._db, probe)

    def __iter__(self) -> Iterator[str]:
        return iter(self._probes)

    def __len__(self) -> int:
        return len(self._probes)


def measurement_pages(db: Database, probe: str) -> Iterator[list[tuple[int, Measurement]]]:
    """Yield a probe's measurements with their positions, page by page, in the order of its cases."""
    for page in db.paged(_MEASUREMENTS, probe):
        yield _parsed(db, page)


def measurement_positions(db: Database, probe: str) -> list[int]:
    """Return the positions of a probe's measurements, in the order of its cases."""
    rows = db.rows("SELECT position FROM measurements WHERE probe = ? ORDER BY position", (probe,))
    return [at for (at,) in rows]


def measurements_at(db: Database, probe: str, position: int) -> list[tuple[int, Measurement]]:
    """Return a probe's measurement at a position, with the position; empty if there is none."""
    return _parsed(db, db.rows(f"{_MEASUREMENTS} LIMIT 1", (position - 1, probe)))


def _parsed(db: Database, rows: Iterable[tuple[int, str]]) -> list[tuple[int, Measurement]]:
    with db.named():
        return [(at, MEASUREMENT.validate_json(text)) for at, text in rows]


def measurements_of(db: Database, probe: str) -> Iterator[Measurement]:
    """Yield a probe's measurements in the order of its cases."""
    return (measurement for page in measurement_pages(db, probe) for _, measurement in page)


def case_keys(db: Database, probe: str, cases: Sequence[str]) -> dict[str, list[str]]:
    """Return the keys of the requests of a probe's cases, by the id of the case."""
    with db.named():
        return {
            case: KEYS.validate_json(keys) for case, keys in db.rows(_CASE_KEYS, (probe, json.dumps(cases)))
        }


def answered_cases(db: Database, probe: str, look: int = 1) -> Iterator[list[AnsweredCase]]:
    """Yield the cases of a probe that are asked from this look on, page by page, each with its answers."""
    for rows in db.paged(_CASES, probe, look):
        with db.named():
            read = [(at, CASE.validate_json(body), KEYS.validate_json(keys)) for at, body, keys in rows]
        found = exchanges_of(db, {key for *_, keys in read for key in keys})
        if lost := {key for *_, keys in read for key in keys} - found.keys():
            raise db.damaged(f"the request {min(lost)} of a case is missing")
        yield [(at, *_answered_case(case, [found[key] for key in keys])) for at, case, keys in read]


def _answered_case(
    case: Case, exchanges: Sequence[tuple[Request, Answer | None]]
) -> tuple[Case, tuple[Answer | None, ...]]:
    asked = tuple(request for request, _ in exchanges)
    return replace(case, requests=asked), tuple(answer for _, answer in exchanges)


def exchanges_of(db: Database, keys: Iterable[str]) -> dict[str, tuple[Request, Answer | None]]:
    """Return the requests with these keys and their answers, by key, with checksums verified."""
    found = {}
    for key, request, answer, check in db.rows(_EXCHANGES, (json.dumps(list(keys)),)):
        if answer is not None and check != checksum(key, answer):
            raise db.damaged(f"answer {key} does not match its checksum")
        with db.named():
            said = None if answer is None else ANSWER.validate_json(answer)
            found[key] = (REQUEST.validate_json(request), said)
    return found
