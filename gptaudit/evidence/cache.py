"""Answers shared between audits of the same model: `--cache DIR`."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from gptaudit.errors import UsageError
from gptaudit.evidence.database import Database

FILE_NAME = "answers.sqlite"
VERSION = "1"

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  fingerprint TEXT, key TEXT, answer TEXT NOT NULL, checksum INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, key)) WITHOUT ROWID
"""
_FIND = """
SELECT key, answer, checksum FROM answers
WHERE fingerprint = ? AND key IN (SELECT value FROM json_each(?))
"""


class AnswerSource(Protocol):
    """Where answers are known that need not be asked for."""

    def answers(self, fingerprint: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Return (key, answer as JSON) for each request of which a model's answer is known; no failures."""


class Cache:
    """SQLite file of answers by model fingerprint and request key; several audits may use it at the same time."""

    def __init__(self, folder: Path) -> None:
        """Open the file, creating it if it is missing; raise `UsageError` naming it if that fails."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"--cache {folder}: cannot be created: {error.strerror or error}. Choose another folder"
            raise UsageError(msg) from None
        self._db = Database.shared(folder / FILE_NAME, _TABLES, version=VERSION)

    def answers(self, fingerprint: str, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Return (key, answer as JSON) for each stored key; leave out answers whose checksum does not match."""
        found = self._db.rows(_FIND, (fingerprint, json.dumps(keys)))
        return [(key, answer) for key, answer, check in found if check == checksum(key, answer)]

    def keep(self, fingerprint: str, answers: Iterable[tuple[str, str]]) -> None:
        """Store (key, answer as JSON) pairs, replacing earlier answers."""
        with self._db.transaction():
            for key, answer in answers:
                row = (fingerprint, key, answer, checksum(key, answer))
                self._db.rows("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Close the file."""
        self._db.disconnect()


def checksum(key: str, answer: str) -> int:
    """Return the CRC-32 of a key and its answer, which detects a changed byte in either."""
    return zlib.crc32(f"{key}{answer}".encode())
