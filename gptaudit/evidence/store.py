"""
`evidence.sqlite`: cases, requests, answers and measurements of an audit, kept as soon as they exist.

Nothing of the size of the audit is held in memory: cases and requests are read page by page. A kill at any moment
leaves a whole file: a plan is written whole or not at all, and each answer as the engine hands it over.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from gptaudit.errors import DataError, PluginCallError, UsageError
from gptaudit.evidence.cache import Cache, checksum
from gptaudit.evidence.database import ANEW, Database, InUseError
from gptaudit.evidence.plan import ALIKE, REQUEST, request_key
from gptaudit.records import Answer, Case, Failure, Likelihood, Measurement, Request

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

FILE_NAME = "evidence.sqlite"
VERSION = "2"

_ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])
_CASE = TypeAdapter(Case)
_MEASUREMENT = TypeAdapter(Measurement)

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  key TEXT PRIMARY KEY, probe TEXT NOT NULL, request TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, answer TEXT NOT NULL, checksum INTEGER NOT NULL, failed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cases (
  probe TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, keys TEXT NOT NULL,
  PRIMARY KEY (probe, position), UNIQUE (probe, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measurements (
  probe TEXT NOT NULL, position INTEGER NOT NULL, measurement TEXT NOT NULL,
  PRIMARY KEY (probe, position)) WITHOUT ROWID
"""

# The order is that of `gptaudit.evidence.plan`.
_QUEUE = f"""
CREATE TEMP TABLE queue AS
WITH missing AS (
  SELECT request, json_extract(request, '$.kind') AS kind, coalesce(
    json_extract(request, '$.prompt'),
    json_extract(request, '$.context') || json_extract(request, '$.continuation')) AS text
  FROM requests LEFT JOIN answers USING (key) WHERE answer IS NULL)
SELECT request FROM missing
ORDER BY kind, max(length(text)) OVER (PARTITION BY kind, substr(text, 1, {ALIKE})) DESC,
  substr(text, 1, {ALIKE}), text, request
"""  # noqa: S608 - a constant of the project

_KEEP = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"
_MISSING = """
SELECT key FROM requests LEFT JOIN answers USING (key) WHERE key > ? AND coalesce(failed, 1) ORDER BY key
"""
_DROP = "DELETE FROM answers WHERE key IN (SELECT value FROM json_each(?)) RETURNING key"
_BY_PROBE = """
SELECT probe, count(*) FROM requests WHERE key IN (SELECT value FROM json_each(?)) GROUP BY probe
"""
_SLICES = """
SELECT DISTINCT of_case.key, of_case.value FROM cases, json_each(body, '$.slices') AS of_case WHERE probe = ?
"""
_EXCHANGES = """
SELECT key, request, answer, checksum FROM requests LEFT JOIN answers USING (key)
WHERE key IN (SELECT value FROM json_each(?))
"""
_MEASUREMENTS = """
SELECT position, measurement FROM measurements WHERE position > ? AND probe = ? ORDER BY position
"""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """How many requests a probe was the first to ask for, and how many of them are answered."""

    requests: int
    answered: int


class Store:
    """What one run folder holds, for one process at a time."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        """Open or make the file; raise as `Database.owned` does.

        `fresh` says that what it holds is to be dropped: that is done by `plan`, or here where it cannot be read.
        """
        path = folder / FILE_NAME
        try:
            self._db = Database.owned(path, _TABLES, version=VERSION)
        except UsageError as error:
            if isinstance(error, InUseError) or not fresh:
                raise
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._db = Database.owned(path, _TABLES, version=VERSION)

    def plan(
        self,
        cases: Mapping[str, Iterable[Case]],
        *,
        fingerprint: str,
        seed: int,
        fresh: bool = False,
        lost: Callable[[str, PluginCallError], object] | None = None,
    ) -> str:
        """Keep the cases of each probe and the distinct requests they ask; return the plan's hash.

        A folder belongs to one plan: the model, the seed, and what is asked in which case. Raises `UsageError`
        where it holds another one, unless `fresh` drops that, and `DataError` where a case id appears twice. Then
        the folder is left as it was. A probe that fails to make its cases has none in the plan, and `lost` is told of
        it; without `lost`, that raises.
        """
        identity = hashlib.sha256(f"{fingerprint}\n{seed}".encode())
        with self._db.transaction():
            for table in ("requests", "answers", "measurements") if fresh else ():
                self._db.rows(f"DELETE FROM {table}")  # noqa: S608 - the names stand one line above
            self._db.rows("DELETE FROM cases")
            for probe, of_probe in cases.items():
                try:
                    with self._db.savepoint():
                        added = self._add_all(probe, of_probe, seed, identity.copy())
                except PluginCallError as error:
                    if lost is None:
                        raise
                    lost(probe, error)
                else:
                    identity = added
            self._claim(identity.hexdigest(), fresh=fresh)
        return identity.hexdigest()

    def slices(self, probe: str) -> list[tuple[str, str]]:
        """List the slices of a probe's cases: (axis, group)."""
        return [(axis, group) for axis, group in self._db.rows(_SLICES, (probe,))]

    def shares(self) -> dict[str, RequestCounts]:
        """Count the requests of each probe. One that several probes ask counts for the first."""
        rows = self._db.rows(
            "SELECT probe, count(*), count(*) FILTER (WHERE NOT failed) "
            "FROM requests LEFT JOIN answers USING (key) GROUP BY probe"
        )
        return {probe: RequestCounts(requests, answered) for probe, requests, answered in rows}

    def forget_failures(self) -> None:
        """Make requests that failed unanswered again."""
        self._db.rows("DELETE FROM answers WHERE failed")

    def borrow(self, cache: Cache, fingerprint: str) -> None:
        """Take from a cache what it holds of the missing answers."""
        for page in self._db.paged(_MISSING):
            found = cache.answers(fingerprint, [key for (key,) in page])
            with self._db.transaction():
                for key, answer in found:
                    self._db.rows(_KEEP, (key, answer, checksum(key, answer), False))

    def lend(self, cache: Cache, fingerprint: str) -> None:
        """Give all answers to a cache, failures left out."""
        for page in self._db.paged(
            "SELECT key, answer FROM answers WHERE key > ? AND NOT failed ORDER BY key"
        ):
            cache.keep(fingerprint, page)

    def missing(self) -> int:
        """Count the requests that have neither an answer nor failed."""
        ((count,),) = self._db.rows(
            "SELECT count(*) FROM requests LEFT JOIN answers USING (key) WHERE answer IS NULL"
        )
        return int(count)

    def unanswered(self) -> Iterator[Request]:
        """Yield what is still to be asked, in the order of `gptaudit.evidence.plan`."""
        self._db.rows("DROP TABLE IF EXISTS temp.queue")
        self._db.rows(_QUEUE)
        for page in self._db.paged("SELECT rowid, request FROM temp.queue WHERE rowid > ? ORDER BY rowid"):
            yield from (REQUEST.validate_json(request) for _, request in page)

    def keep(self, request: Request, answer: Answer, seed: int) -> str:
        """Keep an answer; return the probe that asked first. Raises `ValueError` for a request that nobody asked."""
        key, text = request_key(request, seed), _ANSWER.dump_json(answer).decode()
        asked = self._db.rows("SELECT probe FROM requests WHERE key = ?", (key,))
        if not asked:
            msg = f"the engine answered a request that was not asked: {request}"
            raise ValueError(msg)
        with self._db.transaction():
            self._db.rows(_KEEP, (key, text, checksum(key, text), isinstance(answer, Failure)))
        return str(asked[0][0])

    def answered(self, probe: str) -> Iterator[list[tuple[Case, tuple[Answer | None, ...]]]]:
        """Yield a probe's cases in order, page by page, each with its answers; None was not answered."""
        query = "SELECT position, body, keys FROM cases WHERE position > ? AND probe = ? ORDER BY position"
        for rows in self._db.paged(query, probe):
            keys = [json.loads(of_case) for _, _, of_case in rows]
            found = self._exchanges({key for of_case in keys for key in of_case})
            yield [
                _answered_case(body, [found[key] for key in of_case])
                for (_, body, _), of_case in zip(rows, keys, strict=True)
            ]

    def reopen(
        self, probe: str, is_open: Callable[[Case, Sequence[Answer | None]], bool], seed: int
    ) -> Counter[str]:
        """Drop the rough answers of the cases that are open; count them by the probe that asked first."""
        dropped: Counter[str] = Counter()
        for page in self.answered(probe):
            keys = [
                request_key(request, seed)
                for case, answers in page
                if is_open(case, answers)
                for request, answer in zip(case.requests, answers, strict=True)
                if isinstance(answer, Likelihood) and answer.error
            ]
            with self._db.transaction():
                gone = self._db.rows(_DROP, (json.dumps(keys),))
                listed = json.dumps([key for (key,) in gone])
                dropped.update(dict(self._db.rows(_BY_PROBE, (listed,))))
        return dropped

    def transaction(self) -> AbstractContextManager[None]:
        """Write all that is written inside, or nothing."""
        return self._db.transaction()

    def keep_measurements(self, probe: str, pages: Iterable[Sequence[Measurement]]) -> None:
        """Keep a probe's measurements in place of earlier ones, page by page as they are made."""
        self._db.rows("DELETE FROM measurements WHERE probe = ?", (probe,))
        position = 0
        for page in pages:
            for measurement in page:
                row = (probe, position, _MEASUREMENT.dump_json(measurement).decode())
                self._db.rows("INSERT INTO measurements VALUES (?, ?, ?)", row)
                position += 1

    def measurements(self, probe: str) -> Iterator[Measurement]:
        """Yield a probe's measurements in the order of its cases."""
        return _measurements(self._db, probe)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _add_all(self, probe: str, cases: Iterable[Case], seed: int, identity: Hash) -> Hash:
        """Keep the cases of a probe; return the hash that it was given, with them."""
        for position, case in enumerate(cases):
            keys = self._add(probe, position, case, seed)
            identity.update(json.dumps([probe, case.id, *keys]).encode())
        return identity

    def _add(self, probe: str, position: int, case: Case, seed: int) -> list[str]:
        """Keep a case; return the keys of its requests."""
        if self._db.rows("SELECT 1 FROM cases WHERE probe = ? AND id = ?", (probe, case.id)):
            msg = f"probe {probe!r}: the case id {case.id!r} appears twice; make the ids of its data unique"
            raise DataError(msg)
        keys = []
        for request in case.requests:
            key = request_key(request, seed)
            row = (key, probe, REQUEST.dump_json(request).decode())
            self._db.rows("INSERT OR IGNORE INTO requests VALUES (?, ?, ?)", row)
            keys.append(key)
        body = _CASE.dump_json(replace(case, requests=())).decode()
        self._db.rows(
            "INSERT INTO cases VALUES (?, ?, ?, ?, ?)", (probe, position, case.id, body, json.dumps(keys))
        )
        return keys

    def _claim(self, identity: str, *, fresh: bool) -> None:
        kept = self._db.rows("SELECT value FROM meta WHERE name = 'plan'")
        if kept and kept != [(identity,)] and not fresh:
            what = "holds another audit (another model, seed, probe or number of cases)"
            raise UsageError(f"{self._db.path.parent}: {what}. {ANEW}")
        self._db.rows("INSERT OR REPLACE INTO meta VALUES ('plan', ?)", (identity,))

    def _exchanges(self, keys: Iterable[str]) -> dict[str, tuple[Request, Answer | None]]:
        """Read requests and their answers, checked, by key."""
        found = {}
        for key, request, answer, check in self._db.rows(
            _EXCHANGES,
            (json.dumps(list(keys)),),
        ):
            if answer is not None and check != checksum(key, answer):
                raise self._db.damaged(f"answer {key} does not match its checksum")
            with self._db.named():
                said = None if answer is None else _ANSWER.validate_json(answer)
                found[key] = (REQUEST.validate_json(request), said)
        return found


class StoredMeasurements(Mapping[str, Iterable[Measurement]]):
    """The measurements of a finished audit by probe, read from its store as they are wanted."""

    def __init__(self, folder: Path) -> None:
        """Open the store beside `results.json`; raise `DataError` where it is missing or damaged."""
        path = folder / FILE_NAME
        if not path.is_file():
            msg = f"{path}: not found; the store must lie beside results.json"
            raise DataError(msg)
        self._db = Database.read_only(path, version=VERSION)
        self._probes = [name for (name,) in self._db.rows("SELECT DISTINCT probe FROM measurements")]

    def __getitem__(self, probe: str) -> Iterator[Measurement]:
        if probe not in self._probes:
            raise KeyError(probe)
        return _measurements(self._db, probe)

    def __iter__(self) -> Iterator[str]:
        return iter(self._probes)

    def __len__(self) -> int:
        return len(self._probes)


def _answered_case(
    body: str, exchanges: Sequence[tuple[Request, Answer | None]]
) -> tuple[Case, tuple[Answer | None, ...]]:
    case = replace(_CASE.validate_json(body), requests=tuple(request for request, _ in exchanges))
    return case, tuple(answer for _, answer in exchanges)


def _measurements(db: Database, probe: str) -> Iterator[Measurement]:
    for page in db.paged(_MEASUREMENTS, probe):
        with db.named():
            found = [_MEASUREMENT.validate_json(text) for _, text in page]
        yield from found
