"""SQLite files that are checked when they are opened, with errors that name the file and the remedy."""

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
START_OVER = "Choose another folder with -o, or start over in this one with --fresh"
RESTORE = "Restore the file that the audit wrote, or run that audit again"
NO_CACHE = "Delete the file, or leave --cache out"
PAGE = 256
"""Rows read at a time, so that memory does not grow with the table."""


class InUseError(UsageError):
    """Another process has the file open."""


class DamagedError(UsageError, DataError):
    """The content of the file is damaged."""


class Database:
    """SQLite file whose table `meta` holds the version of its table layout."""

    def __init__(self, path: Path, db: sqlite3.Connection, remedy: str) -> None:
        self.path = path
        self.remedy = remedy
        self._db = db

    @classmethod
    def owned(cls, path: Path, tables: str, *, version: str) -> Self:
        """Open a file for exclusive use by this process, and create missing tables.

        Raises:
            InUseError: another process has it open.
            DamagedError: it is not an SQLite file, or it fails the integrity check.
            UsageError: another version of gptaudit wrote it, or it cannot be written.
        """
        with cls._opened(path, path.resolve().as_uri(), LOCK_SECONDS, START_OVER) as self:
            self.rows("PRAGMA main.locking_mode = EXCLUSIVE")
            self.rows("PRAGMA cache_size = -65536")  # 64 MiB: keys are hashes, so accesses are scattered
            self._prepare(tables, version)
            return self

    @classmethod
    def shared(cls, path: Path, tables: str, *, version: str) -> Self:
        """Open a file that other processes may write too, and wait for their locks. Raises as `owned` does."""
        with cls._opened(path, path.resolve().as_uri(), SHARED_LOCK_SECONDS, NO_CACHE) as self:
            self._prepare(tables, version)
            return self

    @classmethod
    def read_only(cls, path: Path, *, version: str) -> Self:
        """Open a file for reading only. Raises as `owned` does."""
        with cls._opened(path, f"{path.resolve().as_uri()}?mode=ro", LOCK_SECONDS, RESTORE) as self:
            self._check(version)
            return self

    @classmethod
    @contextmanager
    def _opened(cls, path: Path, uri: str, seconds: float, remedy: str) -> Iterator[Self]:
        """Open a file, and close it again if the block that prepares it fails."""
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

    def each(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query one by one; what it reads must not be written meanwhile."""
        with self.named():
            yield from self._db.execute(sql)

    def paged(self, sql: str, *values: object) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a query in pages of `PAGE` rows.

        The query must be ordered by its first column, and its first placeholder must be the lower bound of that
        column: `WHERE position > ? ... ORDER BY position`.
        """
        last = -1
        while page := self.rows(f"{sql} LIMIT {PAGE}", (last, *values)):
            yield page
            last = page[-1][0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that the block writes, or nothing if it raises."""
        try:  # `KeyboardInterrupt` may come between any two of these statements
            self.rows("BEGIN IMMEDIATE")
            yield
            self.rows("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction, keep all that the block writes, or nothing of it if it raises."""
        self.rows("SAVEPOINT inner_part")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO inner_part")
            raise
        finally:
            self._db.execute("RELEASE inner_part")

    def named(self) -> AbstractContextManager[None]:
        """Turn errors about the content, raised in the block, into errors that name the file and the remedy."""
        return named(self.path, self.remedy)

    def damaged(self, found: str) -> DamagedError:
        """Return the error for a damaged file, with what was found and the remedy."""
        return DamagedError(f"{self.path}: is damaged: {found}. {self.remedy}")

    def close(self) -> None:
        """Close the file, with its write-ahead log merged into it, so that it can be read from read-only media."""
        self.rows("PRAGMA journal_mode = DELETE")
        self._db.close()

    def disconnect(self) -> None:
        """Close the file without merging its write-ahead log, since other processes may use it."""
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
    """Turn SQLite errors, and rows that do not parse, into errors that name the file and the remedy."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
        raise  # a bug in gptaudit, not in the file
    except (sqlite3.DatabaseError, ValidationError) as caught:
        error = _explained(path, caught, remedy)
    else:
        return
    raise error


def _explained(path: Path, caught: Exception, remedy: str) -> GptauditError:
    said = first_line(caught)
    code = getattr(caught, "sqlite_errorcode", 0) & 0xFF  # without the extension that says more
    if code == sqlite3.SQLITE_BUSY:
        msg = f"{path}: another audit is using this file; wait until it ends, or choose another folder"
        return InUseError(msg)
    if code == sqlite3.SQLITE_FULL:
        return UsageError(
            f"{path}: the disk is full. Free space and run the same command again: answers are kept"
        )
    if isinstance(caught, sqlite3.OperationalError) and "no such" not in said:
        return UsageError(f"{path}: cannot be used: {said}")
    return DamagedError(f"{path}: is damaged: {said}. {remedy}")
