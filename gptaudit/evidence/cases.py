"""Every case of a finished audit as a reader sees it, and which of them match a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, nan
from pathlib import Path

from gptaudit.evidence.stored import (
    case_keys,
    exchanges_of,
    measurement_pages,
    measurement_positions,
    measurements_at,
    open_evidence,
)
from gptaudit.records import Answer, Completion, Exchange, Failure, Likelihood, Measurement, Request
from gptaudit.records.asked import request_text

SCORED, UNSCORED = "scored", "unscored"
"""Outcomes: of a case with a figure, and of any case without; such a case also has the reason as its outcome."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What a case must have; None or empty for anything."""

    probe: str | None = None
    outcome: str | None = None
    """`scored`, `unscored`, or the reason why a case was not scored."""
    group: str | None = None
    """`GROUP` or `AXIS=GROUP`."""
    text: str | None = None
    """Part of the id, a prompt or an answer, in upper or lower case."""
    score: str | None = None
    """Name of a value that a case must have, within `least` and `most` where they are given."""
    least: float = -inf
    most: float = inf


@dataclass(frozen=True, slots=True)
class CaseKey:
    """Where a case stands, and all that filters look at."""

    probe: str
    position: int
    case: str
    outcome: str
    groups: Mapping[str, str]
    values: Mapping[str, float]
    searched: str
    """Id, prompts and answers in lower case."""


@dataclass(frozen=True, slots=True)
class FoundCase:
    """A case with its texts: those that the probe measured or, where it measured none, its requests and answers."""

    key: CaseKey
    exchanges: tuple[Exchange, ...]
    note: str


class StoredCases:
    """The cases in the store of a run folder."""

    def __init__(self, folder: Path) -> None:
        """Open the store for reading; raise `DataError` if it is missing or damaged."""
        self._db = open_evidence(folder)
        self.probes: tuple[str, ...] = tuple(
            name for (name,) in self._db.rows("SELECT DISTINCT probe FROM measurements ORDER BY probe")
        )

    def find(self, wanted: CaseFilter) -> Iterator[FoundCase]:
        """Yield the cases that match, probe by probe in the order of their data, without holding them in memory."""
        tests = _tests(wanted)
        for probe in self.probes:
            if wanted.probe and probe != wanted.probe:
                continue
            for page in measurement_pages(self._db, probe):
                for found in self._found(probe, page):
                    if all(test(found.key) for test in tests):
                        yield found

    def read(self, key: CaseKey) -> FoundCase:
        """Return a case with its texts."""
        page = measurements_at(self._db, key.probe, key.position)
        return self._found(key.probe, page)[0]

    def count(self, probe: str) -> int:
        """Return the number of a probe's cases."""
        return len(self._positions[probe])

    def at(self, probe: str, places: Sequence[int]) -> list[FoundCase]:
        """Return the cases at places from 0 on, with their texts."""
        positions = (self._positions[probe][place] for place in places)
        page = [found for at in positions for found in measurements_at(self._db, probe, at)]
        return self._found(probe, page)

    @cached_property
    def _positions(self) -> Mapping[str, Sequence[int]]:
        return {probe: measurement_positions(self._db, probe) for probe in self.probes}

    def _found(self, probe: str, page: Sequence[tuple[int, Measurement]]) -> list[FoundCase]:
        bare = [m.case for _, m in page if m.evidence is None]
        keys = case_keys(self._db, probe, bare)
        asked = exchanges_of(self._db, {key for of_case in keys.values() for key in of_case})
        return [
            _found_case(probe, at, m, [asked[key] for key in keys.get(m.case, ()) if key in asked])
            for at, m in page
        ]


class CaseIndex:
    """What filters look at of every case, in memory: a hundred thousand cases are filtered in a fifth of a second."""

    def __init__(self, cases: StoredCases) -> None:
        self.keys = [found.key for found in cases.find(CaseFilter())]

    def find(self, wanted: CaseFilter) -> Sequence[int]:
        """Return the numbers of the cases that match, which are their places in `keys`."""
        found: Sequence[int] = range(len(self.keys))
        for test in _tests(wanted):
            found = [number for number in found if test(self.keys[number])]
        return found


def _tests(wanted: CaseFilter) -> list[Callable[[CaseKey], bool]]:
    """Return what a case must pass, for each part of the filter that is given."""
    probe, outcome, group = wanted.probe, wanted.outcome, wanted.group
    text = (wanted.text or "").lower()
    tests: list[Callable[[CaseKey], bool]] = []
    if probe:
        tests.append(lambda key: key.probe == probe)
    if outcome:
        ended = (
            (lambda key: key.outcome != SCORED)
            if outcome == UNSCORED
            else (lambda key: key.outcome == outcome)
        )
        tests.append(ended)
    if group:
        axis, _, of_axis = group.partition("=")
        tests.append(lambda key: group in key.groups.values() or key.groups.get(axis) == of_axis)
    if score := wanted.score:
        tests.append(lambda key: wanted.least <= key.values.get(score, nan) <= wanted.most)
    if text:
        tests.append(lambda key: text in key.searched)
    return tests


def _found_case(
    probe: str,
    position: int,
    measurement: Measurement,
    asked: Sequence[tuple[Request, Answer | None]],
) -> FoundCase:
    evidence = measurement.evidence
    exchanges = evidence.exchanges if evidence else tuple(_exchange(*one) for one in asked)
    if evidence and evidence.attribution is not None:
        exchanges = (*exchanges, Exchange("attribution", "".join(evidence.attribution.tokens)))
    texts = (text for exchange in exchanges for text in (exchange.prompt, exchange.output))
    searched = "\n".join((measurement.case, *texts)).lower()
    outcome = measurement.unscored or SCORED
    groups, values = measurement.slices, measurement.values
    key = CaseKey(probe, position, measurement.case, outcome, groups, values, searched)
    return FoundCase(key, exchanges, evidence.note if evidence else "")


def _exchange(request: Request, answer: Answer | None) -> Exchange:
    """Return a request and its answer as a reader sees them."""
    prompt = request_text(request)
    match answer:
        case None:
            return Exchange(f"{request.kind}, not asked", prompt)
        case Failure():
            return Exchange(f"{request.kind}, {answer.reason}", prompt, answer.message)
        case Completion():
            return Exchange(f"{request.kind}, {answer.finish}", prompt, answer.text)
        case Likelihood():
            return Exchange(request.kind, prompt, "", {"log-likelihood": answer.logprob})
    return Exchange(request.kind, prompt)
