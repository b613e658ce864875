"""Cases of an audit as JSON values and as rows of a table, for the terminal and the page of `gptaudit view`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

from gptaudit.evidence.cases import CaseKey, FoundCase
from gptaudit.gate.numbers import short
from gptaudit.records import Exchange

CASE_COLUMNS = ("probe", "case", "outcome", "groups", "values", "label", "prompt", "output", "scores")
"""Columns of the table of cases, which has a row for each text of a case."""


def key_json(key: CaseKey) -> dict[str, Any]:
    """Return where a case stands and what it is, without its texts."""
    return {
        "probe": key.probe,
        "case": key.case,
        "outcome": key.outcome,
        "groups": dict(key.groups),
        "values": _finite(key.values),
    }


def case_json(found: FoundCase) -> dict[str, Any]:
    """Return a case with its texts."""
    return {**key_json(found.key), "texts": [_exchange(e) for e in found.exchanges], "note": found.note}


def _exchange(exchange: Exchange) -> dict[str, Any]:
    return {
        "label": exchange.label,
        "prompt": exchange.prompt,
        "output": exchange.output,
        "scores": _finite(exchange.scores),
    }


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """Return numbers as JSON has them: None for what is no number."""
    return {name: value if isfinite(value) else None for name, value in values.items()}


def case_rows(found: FoundCase) -> Iterator[tuple[object, ...]]:
    """Yield the rows of a case: one for each text, or one alone."""
    key = found.key
    what = (key.probe, key.case, key.outcome, groups_text(key.groups), values_text(key.values))
    for exchange in found.exchanges or (Exchange("", ""),):
        yield (*what, exchange.label, exchange.prompt, exchange.output, values_text(exchange.scores))


def groups_text(groups: Mapping[str, str]) -> str:
    """Return the groups of a case: `gender=female, domain=hiring`."""
    return ", ".join(f"{axis}={group}" for axis, group in groups.items())


def values_text(values: Mapping[str, float]) -> str:
    """Return numbers with their names: `stereotype_rate 1, severity 0.93`."""
    return ", ".join(f"{name} {short(value) if isfinite(value) else value}" for name, value in values.items())
