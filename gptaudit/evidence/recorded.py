"""The evidence of a finished audit, read to be compared with what its audit would store today."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from pydantic import TypeAdapter

from gptaudit.evidence.binding import COLUMNS, KEYS, table_digests
from gptaudit.evidence.cache import checksum
from gptaudit.evidence.plan import request_key
from gptaudit.evidence.stored import answered_cases, open_evidence
from gptaudit.records import Answer, Case, Failure, Request

Row: TypeAlias = tuple[object, ...]

_FAILED = TypeAdapter(Failure)
_ANSWERS = "SELECT key, answer FROM answers WHERE NOT failed AND key IN (SELECT value FROM json_each(?))"
_RELEASED = "SELECT DISTINCT probe, json_extract(body, '$.cluster') FROM cases WHERE look = ?"
_FAILURE = "SELECT answer FROM answers WHERE failed AND key = ?"


class RecordedEvidence:
    """The store of a finished audit, open for reading."""

    def __init__(self, folder: Path) -> None:
        """Open it; raise `DataError` if it is missing or damaged."""
        self._db = open_evidence(folder)

    @property
    def plan(self) -> str | None:
        """The hash of the plan."""
        found = self._db.rows("SELECT value FROM meta WHERE name = 'plan'")
        return str(found[0][0]) if found else None

    def released(self, look: int) -> dict[str, list[str]]:
        """Return the clusters of each probe that were asked at this look of an audit that stopped when it decided."""
        clusters: dict[str, list[str]] = {}
        for probe, cluster in self._db.rows(_RELEASED, (look,)):
            clusters.setdefault(probe, []).append(cluster)
        return clusters

    def answered(self, probe: str) -> Iterator[list[tuple[Case, tuple[Answer | None, ...]]]]:
        """Yield the cases of a probe that were asked, page by page, each with its answers; None if not answered."""
        for page in answered_cases(self._db, probe):
            yield [(case, answers) for _, case, answers in page]

    def cases(self, probe: str) -> Iterator[Case]:
        """Yield the cases of a probe that asks once, with their requests."""
        return (case for page in self.answered(probe) for case, _ in page)

    def looks(self) -> int:
        """Return the number of the last look at which cases were asked."""
        ((last,),) = self._db.rows("SELECT coalesce(max(look), 0) FROM cases")
        return int(last)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the rows of each table."""
        return table_digests(self._db)

    def altered_answers(self) -> Iterator[str]:
        """Yield the keys of the answers that do not match their checksums."""
        for key, answer, check in self._db.each("SELECT key, answer, checksum FROM answers ORDER BY key"):
            if check != checksum(key, answer):
                yield key

    def answers(self, fingerprint: str, keys: Sequence[str]) -> list[tuple[str, str]]:  # noqa: ARG002 - there is one model
        """Return the answers to requests, as an `AnswerSource`; those too that do not match their checksums."""
        return [(key, answer) for key, answer in self._db.rows(_ANSWERS, (json.dumps(keys),))]

    def failure(self, request: Request, seed: int) -> Failure | None:
        """Return the failure that stands in place of an answer; None where there is none."""
        found = self._db.rows(_FAILURE, (request_key(request, seed),))
        with self._db.named():
            return _FAILED.validate_json(found[0][0]) if found else None

    def unlike(self, other: Path, table: str) -> list[tuple[Row, Row | None, Row | None]]:
        """Return the rows of a table that the store in the folder `other` does not hold alike, in order.

        Each as its key, and the other columns here and there; None where the row is missing.
        """
        columns = ", ".join(COLUMNS[table])
        there = open_evidence(other).path.resolve().as_uri()
        self._db.rows("ATTACH ? AS other", (f"{there}?mode=ro",))
        try:
            mine, theirs = (
                {row[: KEYS[table]]: row[KEYS[table] :] for row in self._db.rows(query)}
                for query in (
                    f"SELECT {columns} FROM main.{table} EXCEPT SELECT {columns} FROM other.{table}",  # noqa: S608 - names of the project
                    f"SELECT {columns} FROM other.{table} EXCEPT SELECT {columns} FROM main.{table}",  # noqa: S608
                )
            )
        finally:
            self._db.rows("DETACH other")
        return [(key, mine.get(key), theirs.get(key)) for key in sorted({*mine, *theirs}, key=str)]
