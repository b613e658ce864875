"""`figures.csv`: every figure of an audit, whole or of a group, as a row of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from gptaudit.records import AuditResult, Metric, ProbeResult, full_name

from .csv_table import csv_lines

Row: TypeAlias = Mapping[str, Any]

COLUMNS = (
    *("figure", "probe", "suite", "status", "metric", "axis", "group", "title"),
    *("value", "low", "high", "level", "interval", "n", "clusters", "ideal", "direction", "unit"),
    *("corrected_value", "corrected_low", "corrected_high", "why"),
)


def render(result: AuditResult) -> str:
    """Return the table; a probe without figures has one row with the reason."""
    return "".join(csv_lines(COLUMNS, (row.values() for row in _rows(result))))


def figure_rows(result: AuditResult) -> list[Row]:
    """Return a row for each figure, by the names in `COLUMNS`; None where there is no value."""
    return [_row(probe, metric) for probe in result.probes for metric in probe.metrics]


def _rows(result: AuditResult) -> Iterator[Row]:
    for probe in result.probes:
        if not probe.metrics:
            about = {"figure": probe.id, **_about(probe), "why": probe.reason}
            yield {name: about.get(name) for name in COLUMNS}
        for metric in probe.metrics:
            yield _row(probe, metric)


def _about(probe: ProbeResult) -> Row:
    return {"probe": probe.id, "suite": probe.suite, "status": probe.status}


def _row(probe: ProbeResult, metric: Metric) -> Row:
    fixed = metric.corrected
    of_figure = {
        **_about(probe),
        "figure": full_name(probe.id, metric),
        "metric": metric.name,
        "axis": ", ".join(metric.slice),
        "group": ", ".join(metric.slice.values()),
        **({f"corrected_{end}": getattr(fixed, end) for end in ("value", "low", "high")} if fixed else {}),
    }
    return {name: of_figure[name] if name in of_figure else getattr(metric, name, None) for name in COLUMNS}
