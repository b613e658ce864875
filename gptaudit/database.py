"""SQLite files that are checked when they are opened, with errors that name them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from gptaudit.errors import DataError, GptauditError, UsageError, first_line

LOCK_SECONDS = 0.5
SHARED_LOCK_SECONDS = 60
PAGE = 256
"""Rows read at a time, so that a table of any length costs no memory."""


class InUseError(UsageError):
    """Another process has the file."""


class DamagedError(UsageError, DataError):
    """The file does not hold what was written into it."""


class Database:
    """An SQLite file of tables, one of which is `meta` with the version of their layout."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db

    @classmethod
    def owned(cls, path: Path, tables: str, *, version: str) -> Self:
        """Open a file for this process alone, and make the tables that it lacks.

        Raises:
            InUseError: another process has it.
            DamagedError: it is no such file, or its pages do not hold together.
            UsageError: another version of gptaudit wrote it, or it cannot be written.
        """
        with cls._opened(path, path.resolve().as_uri()) as self:
            for setting in ("main.locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = NORMAL"):
                self.rows(f"PRAGMA {setting}")
            self.rows("PRAGMA cache_size = -65536")  # 64 MiB, for keys that come in no order
            self._check(version)
            with self.transaction():
                for table in tables.split(";"):
                    self.rows(table)
                self.rows("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (version,))
            return self

    @classmethod
    def read_only(cls, path: Path, *, version: str) -> Self:
        """Open a file that no process writes. Raises as `owned` does."""
        with cls._opened(path, f"{path.resolve().as_uri()}?mode=ro") as self:
            self._check(version)
            return self

    @classmethod
    @contextmanager
    def _opened(cls, path: Path, uri: str) -> Iterator[Self]:
        """Open a file, and close it again where what is done with it at first fails."""
        with named(path):
            self = cls(path, sqlite3.connect(uri, uri=True, isolation_level=None, timeout=LOCK_SECONDS))
        try:
            yield self
        except BaseException:
            self._db.close()
            raise

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        with named(self.path):
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
    def attached(self, path: Path, name: str) -> Iterator[None]:
        """Have another file at hand under a name; other processes may use it too, and are waited for."""
        own = self.path
        self.rows(f"PRAGMA busy_timeout = {SHARED_LOCK_SECONDS * 1000}")
        self.path = path  # errors inside concern the other file
        try:
            self.rows(f"ATTACH ? AS {name}", (str(path),))
            try:
                self.rows(f"PRAGMA {name}.locking_mode = NORMAL")
                self.rows(f"PRAGMA {name}.journal_mode = WAL")
                yield
            finally:
                self.rows(f"DETACH {name}")
        finally:
            self.path = own

    def close(self) -> None:
        """Fold the write-ahead log into the file, so that it can be read from read-only media too, and close it."""
        with named(self.path):
            self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.close()

    def _check(self, version: str) -> None:
        ((found,),) = self.rows("PRAGMA integrity_check(1)")
        if found != "ok":
            raise damaged(self.path, found.splitlines()[-1])
        if not self.rows("SELECT 1 FROM sqlite_master"):
            return
        if self.rows("SELECT value FROM meta WHERE name = 'version'") != [(version,)]:
            msg = f"{self.path}: was written by another version of gptaudit. {ELSEWHERE}"
            raise UsageError(msg)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn what SQLite raises, and text that does not parse, into an error that names the file and the remedy."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # a bug of ours
    except (sqlite3.DatabaseError, ValueError) as caught:
        error = _explained(path, caught)
    else:
        return
    raise error


def damaged(path: Path, found: str) -> DamagedError:
    """Say that a file is damaged and what can be done."""
    return DamagedError(f"{path}: is damaged: {found}. {ELSEWHERE}")


ELSEWHERE = "Choose another folder with -o, or start anew in this one with --fresh"


def _explained(path: Path, caught: Exception) -> GptauditError:
    said = first_line(caught)
    if "locked" in said:
        return InUseError(
            f"{path.parent}: another audit is running in this folder; wait for its end, or choose another"
        )
    if "full" in said:
        return UsageError(
            f"{path}: the disk is full. Make room and run the same command again: answers are kept"
        )
    if isinstance(caught, sqlite3.OperationalError) and "no such" not in said:
        return UsageError(f"{path}: cannot be used: {said}")
    return damaged(path, said)
