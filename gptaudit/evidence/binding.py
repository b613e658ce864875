"""
What binds results to the evidence beside them: a SHA-256 over the rows of each table of `evidence.sqlite`.

The results name these hashes and that of their own content (`gptaudit.records.Binding`). Rows are hashed as JSON in the
order of their keys: how SQLite keeps them does not count, and an audit that is resumed and writes the same rows again
keeps their hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from gptaudit.evidence.database import Database

COLUMNS = {
    "cases": ("probe", "position", "id", "body", "keys", "look"),
    "requests": ("key", "probe", "request", "asked"),
    "answers": ("key", "answer", "checksum", "failed"),
    "measurements": ("probe", "position", "measurement"),
}
"""Columns of the tables that are bound."""
KEYS = {"cases": 2, "requests": 1, "answers": 1, "measurements": 2}
"""How many of the first columns tell a row from the others."""


def table_digests(db: Database, tables: Iterable[str] = tuple(COLUMNS)) -> dict[str, str]:
    """Return the SHA-256 of each table's rows."""
    return {table: _digest(db, table) for table in tables}


def _digest(db: Database, table: str) -> str:
    columns = COLUMNS[table]
    query = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(columns[: KEYS[table]])}"  # noqa: S608 - names of the project
    rows = hashlib.sha256()
    for row in db.each(query):
        rows.update(json.dumps(row, default=repr).encode())
    return rows.hexdigest()
