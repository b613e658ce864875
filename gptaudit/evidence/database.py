"""SQLite files that are checked when they are opened, with errors that name them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from gptaudit.errors import DataError, GptauditError, UsageError, first_line

LOCK_SECONDS = 0.5
SHARED_LOCK_SECONDS = 60
ANEW = "Choose another folder with -o, or start anew in this one with --fresh"
AGAIN = "Put back the file that the audit wrote, or run that audit again"
WITHOUT = "Delete the file, or leave --cache out"
PAGE = 256
"""Rows read at a time, so that a table of any length costs no memory."""


class InUseError(UsageError):
    """Another process has the file."""


class DamagedError(UsageError, DataError):
    """The file does not hold what was written into it."""


class Database:
    """An SQLite file of tables, one of which is `meta` with the version of their layout."""

    def __init__(self, path: Path, db: sqlite3.Connection, remedy: str) -> None:
        self.path = path
        self.remedy = remedy
        self._db = db

    @classmethod
    def owned(cls, path: Path, tables: str, *, version: str) -> Self:
        """Open a file for this process alone, and make the tables that it lacks.

        Raises:
            InUseError: another process has it.
            DamagedError: it is no such file, or its pages do not hold together.
            UsageError: another version of gptaudit wrote it, or it cannot be written.
        """
        with cls._opened(path, path.resolve().as_uri(), LOCK_SECONDS, ANEW) as self:
            self.rows("PRAGMA main.locking_mode = EXCLUSIVE")
            self.rows("PRAGMA cache_size = -65536")  # 64 MiB, for keys that come in no order
            self._prepare(tables, version)
            return self

    @classmethod
    def shared(cls, path: Path, tables: str, *, version: str) -> Self:
        """Open a file that other processes write too, and wait for them. Raises as `owned` does."""
        with cls._opened(path, path.resolve().as_uri(), SHARED_LOCK_SECONDS, WITHOUT) as self:
            self._prepare(tables, version)
            return self

    @classmethod
    def read_only(cls, path: Path, *, version: str) -> Self:
        """Open a file that no process writes. Raises as `owned` does."""
        with cls._opened(path, f"{path.resolve().as_uri()}?mode=ro", LOCK_SECONDS, AGAIN) as self:
            self._check(version)
            return self

    @classmethod
    @contextmanager
    def _opened(cls, path: Path, uri: str, seconds: float, remedy: str) -> Iterator[Self]:
        """Open a file, and close it again where what is done with it at first fails."""
        with named(path, remedy):
            self = cls(path, sqlite3.connect(uri, uri=True, isolation_level=None, timeout=seconds), remedy)
        try:
            yield self
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, tables: str, version: str) -> None:
        self.rows("PRAGMA journal_mode = WAL")
        self.rows("PRAGMA synchronous = NORMAL")
        self._check(version)
        with self.transaction():
            for table in tables.split(";"):
                self.rows(table)
            self.rows("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (version,))

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with self.named():
            return self._db.execute(sql, values).fetchall()

    def paged(self, sql: str, *values: object) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query page by page.

        The query names its first column, a rising number, in `> ?` as the first of its places for values, and
        orders by it.
        """
        last = -1
        while page := self.rows(f"{sql} LIMIT {PAGE}", (last, *values)):
            yield page
            last = page[-1][0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all that is written inside, or nothing."""
        try:  # an interruption may come between any two of these
            self.rows("BEGIN IMMEDIATE")
            yield
            self.rows("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction, write all that is written inside, or nothing of it."""
        self.rows("SAVEPOINT inner_part")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO inner_part")
            raise
        finally:
            self._db.execute("RELEASE inner_part")

    def named(self) -> AbstractContextManager[None]:
        """Turn what goes wrong with the content inside into an error that names the file and the remedy."""
        return named(self.path, self.remedy)

    def damaged(self, found: str) -> DamagedError:
        """Say that the file is damaged and what can be done."""
        return DamagedError(f"{self.path}: is damaged: {found}. {self.remedy}")

    def close(self) -> None:
        """Fold the write-ahead log into the file, so that it can be read from read-only media too, and close it."""
        self.rows("PRAGMA journal_mode = DELETE")
        self._db.close()

    def disconnect(self) -> None:
        """Close the file as it is, since others may use it."""
        self._db.close()

    def _check(self, version: str) -> None:
        ((found,),) = self.rows("PRAGMA integrity_check(1)")
        if found != "ok":
            raise self.damaged(found.splitlines()[-1])
        if not self.rows("SELECT 1 FROM sqlite_master"):
            return
        if self.rows("SELECT value FROM meta WHERE name = 'version'") != [(version,)]:
            msg = f"{self.path}: was written by another version of gptaudit. {self.remedy}"
            raise UsageError(msg)


@contextmanager
def named(path: Path, remedy: str) -> Iterator[None]:
    """Turn what SQLite raises, and text that does not parse, into an error that names the file and the remedy."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # a bug of ours
    except (sqlite3.DatabaseError, ValidationError) as caught:
        error = _explained(path, caught, remedy)
    else:
        return
    raise error


def _explained(path: Path, caught: Exception, remedy: str) -> GptauditError:
    said = first_line(caught)
    if "locked" in said:
        msg = f"{path.parent}: another audit is running in this folder; wait for its end, or choose another"
        return InUseError(msg)
    if "full" in said:
        return UsageError(
            f"{path}: the disk is full. Make room and run the same command again: answers are kept"
        )
    if isinstance(caught, sqlite3.OperationalError) and "no such" not in said:
        return UsageError(f"{path}: cannot be used: {said}")
    return DamagedError(f"{path}: is damaged: {said}. {remedy}")
