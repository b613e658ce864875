"""
SQLite store of the cases, requests, answers and measurements of an audit: `evidence.sqlite`.

Cases and requests are read page by page, so that memory does not grow with the audit. The process may be killed at any
moment without damage to the file: a plan is written in one transaction, and each answer when the engine yields it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gptaudit.errors import DataError, PluginCallError, UsageError
from gptaudit.evidence.binding import table_digests
from gptaudit.evidence.cache import AnswerSource, Cache, checksum
from gptaudit.evidence.database import START_OVER, Database, InUseError
from gptaudit.evidence.first_answers import FirstAnswers, other_answer, repeats
from gptaudit.evidence.plan import ALIKE, BYTES, REQUEST, SECRET, Size, Workload, request_key, size
from gptaudit.evidence.stored import (
    ANSWER,
    CASE,
    FILE_NAME,
    MEASUREMENT,
    VERSION,
    answered_cases,
    measurements_of,
)
from gptaudit.records import Answer, Case, Failure, Likelihood, Measurement, Request, SecretRequest

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

SECRET_NATS = 0.1
"""Step of the log-likelihood that is kept of a secret text; its tokens' steps are `SECRET_TOKEN_NATS`."""
SECRET_TOKEN_NATS = 1.0

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
  key TEXT PRIMARY KEY, probe TEXT NOT NULL, request TEXT NOT NULL, asked INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
  key TEXT PRIMARY KEY, answer TEXT NOT NULL, checksum INTEGER NOT NULL, failed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cases (
  probe TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, keys TEXT NOT NULL,
  look INTEGER NOT NULL, PRIMARY KEY (probe, position), UNIQUE (probe, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measurements (
  probe TEXT NOT NULL, position INTEGER NOT NULL, measurement TEXT NOT NULL,
  PRIMARY KEY (probe, position)) WITHOUT ROWID
"""

_TEXT = """
coalesce(json_extract(request, '$.prompt'),
  json_extract(request, '$.context') || json_extract(request, '$.continuation'))
"""

# Sorts requests in the order that `gptaudit.evidence.plan` describes.
_QUEUE = f"""
CREATE TEMP TABLE queue AS
WITH missing AS (
  SELECT request, json_extract(request, '$.kind') AS kind, {_TEXT} AS text
  FROM requests LEFT JOIN answers USING (key) WHERE asked AND answer IS NULL)
SELECT request FROM missing
ORDER BY kind = 'attribute', kind, max(length(text)) OVER (PARTITION BY kind, substr(text, 1, {ALIKE})) DESC,
  substr(text, 1, {ALIKE}), text, request
"""  # noqa: S608 - a constant of the project

_WORKLOAD = f"""
SELECT probe, json_extract(request, '$.kind') AS kind, count(*), count(*) FILTER (WHERE NOT failed),
  coalesce(sum(length(CAST({_TEXT} AS BLOB)) / {BYTES}) FILTER (WHERE failed IS NULL), 0),
  coalesce(sum(json_extract(request, '$.sampling.max_new_tokens')) FILTER (WHERE failed IS NULL), 0)
FROM requests LEFT JOIN answers USING (key) WHERE asked GROUP BY probe, kind ORDER BY probe, kind
"""  # noqa: S608 - constants of the project

# A key is a hash, so that the first keys are a random sample of the requests, and the same one each time.
_SAMPLE = f"""
WITH missing AS (
  SELECT key, json_extract(request, '$.kind') AS kind,
    row_number() OVER (PARTITION BY probe, json_extract(request, '$.kind') ORDER BY key) AS place
  FROM requests LEFT JOIN answers USING (key) WHERE asked AND failed IS NULL)
SELECT probe, kind, request, length(CAST({_TEXT} AS BLOB)) / {BYTES}
FROM missing JOIN requests USING (key) WHERE place <= ? AND kind != 'secret'
"""  # noqa: S608 - constants of the project

# The file has no texts of secrets, so that their size is that of those in memory.
_SECRETS_LEFT = """
SELECT probe, request FROM requests LEFT JOIN answers USING (key)
WHERE asked AND failed IS NULL AND json_extract(request, '$.kind') = 'secret'
"""

_KEEP = "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)"
_MISSING = """
SELECT key FROM requests LEFT JOIN answers USING (key) WHERE key > ? AND asked AND coalesce(failed, 1) ORDER BY key
"""
_DROP = "DELETE FROM answers WHERE key IN (SELECT value FROM json_each(?)) RETURNING key"
_BY_PROBE = """
SELECT probe, count(*) FROM requests WHERE key IN (SELECT value FROM json_each(?)) GROUP BY probe
"""
_SLICES = """
SELECT DISTINCT of_case.key, of_case.value FROM cases, json_each(body, '$.slices') AS of_case WHERE probe = ?
"""
_CLUSTERS = """
SELECT json_extract(body, '$.cluster') FROM cases WHERE probe = ? GROUP BY 1 ORDER BY min(position)
"""
_RELEASE = """
UPDATE cases SET look = ? WHERE probe = ? AND json_extract(body, '$.cluster') IN (SELECT value FROM json_each(?))
"""
_RELEASE_REQUESTS = """
UPDATE requests SET asked = 1 WHERE key IN (
  SELECT of_case.value FROM cases, json_each(keys) AS of_case WHERE probe = ? AND look = ?)
"""
_ADD_REQUEST = """
INSERT INTO requests VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET asked = max(asked, excluded.asked)
"""
_EXTEND = """
UPDATE cases SET keys = (SELECT json_group_array(value) FROM (
  SELECT value FROM json_each(keys) UNION ALL SELECT value FROM json_each(?)))
WHERE probe = ? AND position = ?
"""


class Store:
    """Store of one run folder, open in one process at a time."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        """Open the file, creating it if it is missing; raise as `Database.owned` does.

        With `fresh`, a file that cannot be used is replaced; the content of one that can is deleted by `plan`.
        """
        path = folder / FILE_NAME
        self._cache: tuple[Cache, str] | None = None
        self._source: tuple[AnswerSource, str] | None = None
        self._secrets: dict[SecretRequest, SecretRequest] = {}
        """Those of the plan, with the texts that the file does not have."""
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
        answers: FirstAnswers | None = None,
        fresh: bool = False,
        lost: Callable[[str, PluginCallError], object] | None = None,
        until: str = "",
        options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> str:
        """Store the cases of each probe and their distinct requests; return the plan's hash.

        A folder belongs to one plan: the model, the seed, the requests of each case, the options of the probes, and
        until when they are asked; and to one target that gives the first answers that are in `answers`, for one that
        cannot be verified. If a probe fails to generate its cases, the plan has none of them and `lost` is called with
        the probe and the error; without `lost`, the error is raised. If this raises, the folder is unchanged. With
        `until`, no case is asked before `release`.

        Raises:
            UsageError: the folder holds another plan, or the target repeats itself and its first answers are others;
                `fresh` deletes what is there instead.
            DataError: a case id appears twice in a probe.
        """
        chosen = json.dumps(options, sort_keys=True) if options else ""
        identity = hashlib.sha256("\n".join(filter(None, (fingerprint, str(seed), until, chosen))).encode())
        with self._db.transaction():
            for table in ("requests", "answers", "measurements") if fresh else ():
                self._db.rows(f"DELETE FROM {table}")  # noqa: S608 - the names are constants, one line above
            self._db.rows("DELETE FROM cases")
            self._db.rows("DELETE FROM requests")  # follow-ups are computed again from the answers
            for probe, of_probe in cases.items():
                try:
                    with self._db.savepoint():
                        added = self._add_all(probe, of_probe, seed, identity.copy(), look=0 if until else 1)
                except PluginCallError as error:
                    if lost is None:
                        raise
                    lost(probe, error)
                else:
                    identity = added
            self._claim(identity.hexdigest(), fingerprint, fresh=fresh)
            self._recognise(answers or {}, fresh=fresh)
        return identity.hexdigest()

    def clusters(self, probe: str) -> list[str]:
        """Return the clusters of a probe's cases, in the order of the cases."""
        return [cluster for (cluster,) in self._db.rows(_CLUSTERS, (probe,))]

    def drawn_from(self, probe: str) -> int | None:
        """Return the number of a probe's cases, where some of them are not asked; else None."""
        query = "SELECT count(*), count(*) FILTER (WHERE look > 0) FROM cases WHERE probe = ?"
        ((cases, asked),) = self._db.rows(query, (probe,))
        return int(cases) if asked < cases else None

    def release(self, probe: str, clusters: Sequence[str], look: int) -> None:
        """Let the cases of these clusters be asked, at this look of an audit that is asked until it decides."""
        with self._db.transaction():
            self._db.rows(_RELEASE, (look, probe, json.dumps(clusters)))
            self._db.rows(_RELEASE_REQUESTS, (probe, look))
        self._borrow()

    def doubt(self) -> str:
        """Return why the answers may be of more than one model; empty if nothing speaks for it."""
        if len(self._first_answers()) < 2:
            return ""
        return (
            "the target, which does not repeat itself, answered otherwise when the audit was resumed: whether one "
            "model gave all answers is not known"
        )

    def slices(self, probe: str) -> list[tuple[str, str]]:
        """Return the (axis, group) of each slice of a probe's cases."""
        return [(axis, group) for axis, group in self._db.rows(_SLICES, (probe,))]

    def workload(self) -> list[Workload]:
        """Count the requests of each probe and kind. A request that several probes ask counts for the first of them."""
        secret: Counter[str] = Counter()
        for probe, request in self._db.rows(_SECRETS_LEFT):
            secret[probe] += size(self._secrets[SECRET.validate_json(request)]).reads
        return [
            Workload(
                probe, kind, requests, answered, Size(secret[probe] if kind == "secret" else reads, writes)
            )
            for probe, kind, requests, answered, reads, writes in self._db.rows(_WORKLOAD)
        ]

    def sample(self, most: int) -> dict[tuple[str, str], list[tuple[Request, int]]]:
        """Draw requests without an answer, at most so many of each probe and kind, with the tokens that each reads.

        The tokens are estimated as those of `workload`. Secret requests are left out.
        """
        found: dict[tuple[str, str], list[tuple[Request, int]]] = {}
        for probe, kind, request, reads in self._db.rows(_SAMPLE, (most,)):
            found.setdefault((probe, kind), []).append((REQUEST.validate_json(request), reads))
        return found

    def forget_failures(self) -> None:
        """Delete the failures, so that their requests are asked again."""
        self._db.rows("DELETE FROM answers WHERE failed")

    def share(self, cache: Cache, fingerprint: str) -> None:
        """Copy missing answers from a cache, as `borrow` does, and new ones into it where `lend` is called."""
        self._cache = cache, fingerprint
        self.borrow(cache, fingerprint)

    def borrow(self, source: AnswerSource, fingerprint: str) -> None:
        """Copy missing answers from where they are known: now, and whenever requests are added."""
        self._source = source, fingerprint
        self._borrow()

    def _borrow(self) -> None:
        if self._source is None:
            return
        source, fingerprint = self._source
        for page in self._db.paged(_MISSING):
            found = source.answers(fingerprint, [key for (key,) in page])
            with self._db.transaction():
                for key, answer in found:
                    self._db.rows(_KEEP, (key, answer, checksum(key, answer), False))

    def lend(self) -> None:
        """Copy all answers except failures to the shared cache, where there is one."""
        if self._cache is None:
            return
        cache, fingerprint = self._cache
        for page in self._db.paged(
            "SELECT key, answer FROM answers WHERE key > ? AND NOT failed ORDER BY key"
        ):
            cache.keep(fingerprint, page)

    def missing(self) -> int:
        """Count the requests that have neither an answer nor a failure."""
        ((count,),) = self._db.rows(
            "SELECT count(*) FROM requests LEFT JOIN answers USING (key) WHERE asked AND answer IS NULL"
        )
        return int(count)

    def unanswered(self) -> Iterator[Request]:
        """Yield the requests still to be asked, in the order that `gptaudit.evidence.plan` describes."""
        self._db.rows("DROP TABLE IF EXISTS temp.queue")
        self._db.rows(_QUEUE)
        for page in self._db.paged("SELECT rowid, request FROM temp.queue WHERE rowid > ? ORDER BY rowid"):
            with self._db.named():
                asked = [REQUEST.validate_json(request) for _, request in page]
            yield from (self._secrets[r] if isinstance(r, SecretRequest) else r for r in asked)

    def keep(self, request: Request, answer: Answer, seed: int) -> str:
        """Store an answer; return the first probe that asks for it. Raise `ValueError` if none does."""
        if isinstance(request, SecretRequest):
            answer = _without_text(answer)
        key, text = request_key(request, seed), ANSWER.dump_json(answer).decode()
        asked = self._db.rows("SELECT probe FROM requests WHERE key = ?", (key,))
        if not asked:
            msg = f"the engine answered a request that was not asked: {request}"
            raise ValueError(msg)
        with self._db.transaction():
            self._db.rows(_KEEP, (key, text, checksum(key, text), isinstance(answer, Failure)))
        return str(asked[0][0])

    def answered(self, probe: str) -> Iterator[list[tuple[Case, tuple[Answer | None, ...]]]]:
        """Yield the cases of a probe that are asked in order, page by page, each with its answers.

        None stands for a request not answered yet.
        """
        for page in answered_cases(self._db, probe):
            yield [(case, answers) for _, case, answers in page]

    def extend(
        self,
        probe: str,
        follow_up: Callable[[Case, Sequence[Answer | None]], Sequence[Request]],
        seed: int,
        look: int = 1,
    ) -> int:
        """Add the requests that follow up on the answers to each case of a probe, from this look on.

        Return how many cases have any.
        """
        extended = 0
        for page in answered_cases(self._db, probe, look):
            added = [(position, follow_up(case, answers)) for position, case, answers in page]
            with self._db.transaction():
                for position, requests in added:
                    keys = [self._add_request(probe, request, seed, asked=True) for request in requests]
                    if keys:
                        self._db.rows(_EXTEND, (json.dumps(keys), probe, position))
                        extended += 1
        self._borrow()
        return extended

    def reopen(
        self, probe: str, is_open: Callable[[Case, Sequence[Answer | None]], bool], seed: int
    ) -> Counter[str]:
        """Delete the low-precision answers of cases that are open; count them by the first probe that asks for them."""
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
        """Commit all that the block writes, or nothing if it raises."""
        return self._db.transaction()

    def keep_measurements(self, probe: str, pages: Iterable[Sequence[Measurement]]) -> None:
        """Store a probe's measurements page by page, replacing earlier ones."""
        self._db.rows("DELETE FROM measurements WHERE probe = ?", (probe,))
        position = 0
        for page in pages:
            for measurement in page:
                row = (probe, position, MEASUREMENT.dump_json(measurement).decode())
                self._db.rows("INSERT INTO measurements VALUES (?, ?, ?)", row)
                position += 1

    def measurements(self, probe: str) -> Iterator[Measurement]:
        """Yield a probe's measurements in the order of its cases."""
        return measurements_of(self._db, probe)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the rows of each table."""
        return table_digests(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _add_all(self, probe: str, cases: Iterable[Case], seed: int, identity: Hash, *, look: int) -> Hash:
        """Store the cases of a probe, to be asked at a look, or for look 0 not yet; return `identity` with them."""
        for position, case in enumerate(cases):
            keys = self._add(probe, position, case, seed, look)
            identity.update(json.dumps([probe, case.id, *keys]).encode())
        return identity

    def _add(self, probe: str, position: int, case: Case, seed: int, look: int) -> list[str]:
        """Store a case; return the keys of its requests."""
        if self._db.rows("SELECT 1 FROM cases WHERE probe = ? AND id = ?", (probe, case.id)):
            msg = f"probe {probe!r}: the case id {case.id!r} appears twice; make the ids of its data unique"
            raise DataError(msg)
        keys = [self._add_request(probe, request, seed, asked=look > 0) for request in case.requests]
        body = CASE.dump_json(replace(case, requests=())).decode()
        self._db.rows(
            "INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?)",
            (probe, position, case.id, body, json.dumps(keys), look),
        )
        return keys

    def _add_request(self, probe: str, request: Request, seed: int, *, asked: bool) -> str:
        """Store a request, to be asked or not yet; return its key. The texts of a secret one stay in memory."""
        if isinstance(request, SecretRequest):
            self._secrets[request] = request
        key = request_key(request, seed)
        row = (key, probe, REQUEST.dump_json(request).decode(), asked)
        self._db.rows(_ADD_REQUEST, row)
        return key

    def _claim(self, identity: str, fingerprint: str, *, fresh: bool) -> None:
        kept = dict(self._db.rows("SELECT name, value FROM meta WHERE name IN ('plan', 'fingerprint')"))
        if not fresh and kept.get("plan", identity) != identity:
            what = "another audit (another seed, probe or number of cases)"
            if kept.get("fingerprint", fingerprint) != fingerprint:
                what = f"an audit of another model: its fingerprint is {kept['fingerprint']}, and here {fingerprint}"
            elif "fingerprint" not in kept:
                what = "another audit (another model, seed, probe or number of cases)"
            raise UsageError(f"{self._db.path.parent}: holds {what}. {START_OVER}")
        for row in (("plan", identity), ("fingerprint", fingerprint)):
            self._db.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", row)

    def _recognise(self, answers: FirstAnswers, *, fresh: bool) -> None:
        """Refuse a target that repeats itself and answers otherwise; keep the first answers that are new."""
        if fresh:
            self._db.rows("DELETE FROM meta WHERE name = 'first answers'")
        known = self._first_answers()
        others = [other for before in known if (other := other_answer(before, answers))]
        if not answers or len(others) < len(known):
            return
        if others and all(map(repeats, [*known, answers])):
            request, before, now = others[0]
            msg = (
                f"{self._db.path.parent}: the target answers otherwise than when this audit began: to {request!r} "
                f"expected {before!r}, got {now!r}. Serve the model that was audited before, or audit the other one: "
            )
            raise UsageError(msg + START_OVER)
        self._db.rows(
            "INSERT OR REPLACE INTO meta VALUES ('first answers', ?)", (json.dumps([*known, dict(answers)]),)
        )

    def _first_answers(self) -> list[FirstAnswers]:
        """Return what the targets of this audit's runs answered first, those that answered alike once."""
        kept = self._db.rows("SELECT value FROM meta WHERE name = 'first answers'")
        return list(json.loads(kept[0][0])) if kept else []


def _without_text(answer: Answer) -> Answer:
    """Return the figures of an answer to a secret request, without what quotes it or tells it.

    Who has the model would find a text from exact log-probabilities, token by token: of a whole vocabulary hardly two
    tokens have the same one. Of short texts with many like them, such as numbers, the sum alone tells which it is. So
    those of the tokens are kept in no order and coarse, and the sum less so.
    """
    match answer:
        case Likelihood():
            coarse = sorted(_to_multiple(value, SECRET_TOKEN_NATS) for value in answer.token_logprobs)
            whole = _to_multiple(answer.logprob, SECRET_NATS)
            return replace(answer, token_logprobs=tuple(coarse), logprob=whole, tokens=None)
        case Failure():
            return Failure(answer.reason)
        case _:
            return Failure("not-a-likelihood")


def _to_multiple(value: float, step: float) -> float:
    """Round to a multiple of the step; what is no number stays as it is, to be told where it is read."""
    return round(value / step) * step + 0.0 if isfinite(value) else value
