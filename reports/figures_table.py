"""`figures.csv`: every figure of an audit, whole or of a group, as a row of numbers."""

from __future__ import annotations

from collections.abc import Iterator

from gptaudit.records import AuditResult, full_name

from .csv_table import csv_lines

COLUMNS = (
    *("figure", "probe", "suite", "status", "metric", "axis", "group", "title"),
    *("value", "low", "high", "level", "interval", "n", "clusters", "ideal", "direction", "unit"),
    *("corrected_value", "corrected_low", "corrected_high", "why"),
)


def render(result: AuditResult) -> str:
    """Return the table; a probe without figures has one row with the reason."""
    return "".join(csv_lines(COLUMNS, _rows(result)))


def _rows(result: AuditResult) -> Iterator[tuple[object, ...]]:
    for probe in result.probes:
        about = (probe.id, probe.suite, probe.status)
        if not probe.metrics:
            yield (probe.id, *about, *[""] * (len(COLUMNS) - 5), probe.reason or "")
        for m in probe.metrics:
            fixed = m.corrected
            yield (
                *(
                    full_name(probe.id, m),
                    *about,
                    m.name,
                    ", ".join(m.slice),
                    ", ".join(m.slice.values()),
                    m.title,
                ),
                *(m.value, m.low, m.high, m.level, m.interval, m.n, m.clusters, m.ideal, m.direction, m.unit),
                *((fixed.value, fixed.low, fixed.high) if fixed else ("", "", "")),
                m.why or "",
            )
