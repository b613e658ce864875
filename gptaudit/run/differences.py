"""What differs between what a run folder holds and what its evidence gives, in words."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from gptaudit.evidence.recorded import RecordedEvidence, Row
from gptaudit.records import AuditResult, Metric, ProbeResult, RuleResult, full_name

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""Differences of numbers that come from rounding alone, as of a scorer on another processor."""
SHOWN = 5
"""Rows of a table that are named one by one."""


def unlike_results(stored: AuditResult, anew: AuditResult) -> Iterator[str]:
    """Say in what the probes and the verdict of `results.json` differ from those that the evidence gives."""
    parts = ((_named(stored.probes), _named(anew.probes), ""), (stored.gate, anew.gate, "gate"))
    for one, other, where in parts:
        for place, here, there in _unlike(one, other, where):
            yield f"results.json, {place}: found {_short(here)}, the evidence gives {_short(there)}"


def unlike_rows(evidence: RecordedEvidence, anew: Path, table: str) -> Iterator[str]:
    """Say which rows of a table the store in the folder `anew` does not hold alike."""
    found = [text for row in evidence.unlike(anew, table) if (text := _unlike_row(*row))]
    yield from (f"evidence.sqlite, {table}: {text}" for text in found[:SHOWN])
    if len(found) > SHOWN:
        yield f"evidence.sqlite, {table}: and {len(found) - SHOWN} more rows"


def _unlike_row(key: Row, stored: Row | None, anew: Row | None) -> str | None:
    row = " ".join(map(str, key))
    if stored is None:
        return f"row {row} is missing"
    if anew is None:
        return f"row {row} does not belong there"
    for one, other in zip(stored, anew, strict=True):
        for place, here, there in _unlike(_parsed(one), _parsed(other), ""):
            at = f", {place}" if place else ""
            return f"row {row}{at}: found {_short(here)}, expected {_short(there)}"
    return None


def _parsed(column: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a column that holds JSON, else the column."""
    try:
        return json.loads(column) if isinstance(column, str) else column
    except ValueError:
        return column


def _unlike(one: Any, other: Any, where: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any JSON value
    """Yield each place where two values differ by more than rounding, with both; `NOTHING` where one lacks it."""
    one, other = _named(one), _named(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _unlike(
                one.get(key, NOTHING), other.get(key, NOTHING), f"{where}.{key}" if where else key
            )
    elif _is_number(one) and _is_number(other):
        if not math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            yield where, one, other
    elif one != other:
        yield where, one, other


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()


def _named(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return records and lists as mappings from the names of their parts."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, list | tuple):
        return value
    names = [_name(part, number) for number, part in enumerate(value)]
    return dict(zip(names, value, strict=True)) if len(set(names)) == len(names) else dict(enumerate(value))


def _name(part: object, number: int) -> str:
    match part:
        case ProbeResult():
            return part.id
        case Metric():
            return full_name("", part).removeprefix(".")
        case RuleResult():
            return part.rule
    return str(number)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    return reprlib.repr(value)
