"""Answers shared between audits of the same model: `--cache FOLDER`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gptaudit.database import Database
from gptaudit.errors import UsageError

FILE_NAME = "answers.sqlite"

_TABLE = """
CREATE TABLE IF NOT EXISTS cache.shared (
  fingerprint TEXT, key TEXT, answer TEXT NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, key)) WITHOUT ROWID
"""


class Cache:
    """A file of answers by fingerprint and request, which any number of audits use at the same time."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"--cache {folder}: cannot be made: {error.strerror or error}"
            raise UsageError(msg) from None
        self._path = folder / FILE_NAME

    def lend_to(self, db: Database, fingerprint: str) -> None:
        """Copy the answers to requests that are not answered in a store."""
        with self._attached(db), db.transaction():
            db.rows(
                "INSERT OR REPLACE INTO answers "
                "SELECT key, shared.answer, shared.checksum, 0 FROM requests "
                "JOIN cache.shared USING (key) LEFT JOIN answers USING (key) "
                "WHERE fingerprint = ? AND coalesce(answers.failed, 1)",
                (fingerprint,),
            )

    def take_from(self, db: Database, fingerprint: str) -> None:
        """Copy a store's answers, failures left out."""
        with self._attached(db), db.transaction():
            db.rows(
                "INSERT OR IGNORE INTO cache.shared "
                "SELECT ?, key, answer, checksum FROM answers WHERE NOT failed",
                (fingerprint,),
            )

    @contextmanager
    def _attached(self, db: Database) -> Iterator[None]:
        with db.attached(self._path, "cache"):
            db.rows(_TABLE)
            yield
