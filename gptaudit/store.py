"""`evidence.sqlite`: every request, answer and measurement of an audit, kept as soon as they exist."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from gptaudit.errors import DataError, UsageError, first_line
from gptaudit.records import Answer, Failure, Measurement, Request

FILE_NAME = "evidence.sqlite"
VERSION = "1"

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])
_MEASUREMENT = TypeAdapter(Measurement)

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT NOT NULL, failed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS measurements (
  probe TEXT NOT NULL, position INTEGER NOT NULL, measurement TEXT NOT NULL, PRIMARY KEY (probe, position));
"""


class Store:
    """The answers and measurements of one run folder, for one process at a time.

    A folder belongs to one plan: `plan` is the hash of all that decides the answers. Opening it for another plan
    is a `UsageError`, unless `fresh` drops what it holds; so is opening it while another process does.
    """

    def __init__(self, folder: Path, *, plan: str, fresh: bool = False) -> None:
        self.path = folder / FILE_NAME
        try:
            self._db = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or not fresh:
                raise self._unusable(error) from None
            self.path.unlink()
            self._db = self._open()
        with self._transaction() as db:
            if fresh:
                for table in ("meta", "answers", "measurements"):
                    db.execute(f"DELETE FROM {table}")  # noqa: S608 - the names stand one line above
            self._claim({"version": VERSION, "plan": plan})

    def answers(self, keys: Iterable[str]) -> dict[str, Answer]:
        """Return the answers kept so far; a failed request counts as not answered."""
        wanted = set(keys)
        rows = self._db.execute("SELECT key, answer FROM answers WHERE NOT failed")
        try:
            return {key: _ANSWER.validate_json(answer) for key, answer in rows if key in wanted}
        except ValueError as error:
            raise self._unusable(error) from None

    def keep(self, answered: Iterable[tuple[str, Request, Answer]]) -> None:
        """Keep answers, all or none of them."""
        rows = [
            (key, _REQUEST.dump_json(request), _ANSWER.dump_json(answer), isinstance(answer, Failure))
            for key, request, answer in answered
        ]
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)

    def keep_measurements(self, probe: str, measurements: Iterable[Measurement]) -> None:
        """Keep a probe's measurements in place of earlier ones."""
        rows = [(probe, i, _MEASUREMENT.dump_json(m)) for i, m in enumerate(measurements)]
        with self._transaction() as db:
            db.execute("DELETE FROM measurements WHERE probe = ?", (probe,))
            db.executemany("INSERT INTO measurements VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it, so that it can be read from read-only media too."""
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=0.5)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_TABLES)
        return db

    def _unusable(self, error: Exception) -> UsageError:
        """Say why the file cannot be used: it is damaged, or another process has it."""
        if "locked" in first_line(error):
            return UsageError(
                f"{self.path.parent}: another audit is running in this folder; choose another with -o"
            )
        remedy = "Choose another folder with -o, or start anew in this one with --fresh"
        return UsageError(f"{self.path}: cannot be used as a store: {first_line(error)}. {remedy}")

    def _claim(self, meta: Mapping[str, str]) -> None:
        kept = dict(self._db.execute("SELECT name, value FROM meta"))
        if kept and kept != meta:
            other = "holds another audit (another model, seed, probe or number of cases)"
            what = other if kept.get("version") == VERSION else "was written by another version of gptaudit"
            msg = f"{self.path.parent}: {what}. Choose another folder with -o, or start anew in this one with --fresh"
            raise UsageError(msg)
        self._db.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", meta.items())

    def _transaction(self) -> Any:  # noqa: ANN401 - sqlite3's connection is its own context manager
        self._db.execute("BEGIN IMMEDIATE")
        return self._db


def read_measurements(folder: Path) -> dict[str, tuple[Measurement, ...]]:
    """Return the measurements of a finished audit by probe, in the order of the cases."""
    path = folder / FILE_NAME
    if not path.is_file():
        msg = f"{path}: not found; the store must lie beside results.json"
        raise DataError(msg)
    found: dict[str, list[Measurement]] = {}
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        for probe, text in db.execute("SELECT probe, measurement FROM measurements ORDER BY probe, position"):
            found.setdefault(probe, []).append(_MEASUREMENT.validate_json(text))
        db.close()
    except (sqlite3.Error, ValueError) as error:
        msg = f"{path}: damaged, cannot be read: {error}"
        raise DataError(msg) from None
    return {probe: tuple(measurements) for probe, measurements in found.items()}
