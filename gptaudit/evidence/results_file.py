"""Reading `results.json`."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

from gptaudit.errors import DataError
from gptaudit.files import read_record
from gptaudit.records import RESULTS_SCHEMA, AuditResult, Metric, ProbeResult, full_name
from gptaudit.stats.formula import parsed

ROUNDING = 1e-9
"""Relative difference by which a figure may lie outside its interval or bounds."""


def read_results(path: Path) -> AuditResult:
    """Read `results.json`. Unknown keys are ignored.

    Raises:
        DataError: the file is missing, is not JSON or does not match the schema; the message names the file and the
            line or key.
    """
    remedy = "Name a results.json that `gptaudit run` wrote"
    result = read_record(path, AuditResult, RESULTS_SCHEMA, remedy=remedy, error=DataError)
    twice = [probe for probe, times in Counter(p.id for p in result.probes).items() if times > 1]
    if twice:
        msg = f"{path}: probes: {twice[0]!r} stands there twice; take the results.json that `gptaudit run` wrote"
        raise DataError(msg)
    for probe in result.probes:
        _check_figures(probe, path)
    _check_formulas(result, path)
    return result


def _check_figures(probe: ProbeResult, path: Path) -> None:
    """Raise `DataError` for a figure that no audit can have."""
    names = Counter(full_name(probe.id, metric) for metric in probe.metrics)
    for metric in probe.metrics:
        name = full_name(probe.id, metric)
        problem = "stands there twice" if names[name] > 1 else _impossible(metric)
        if problem:
            msg = f"{path}: {name}: {problem}; take the results.json that `gptaudit run` wrote"
            raise DataError(msg)


def _check_formulas(result: AuditResult, path: Path) -> None:
    """Raise `DataError` for an invalid formula, before anything is computed from it."""
    for name, metric in result.metrics().items():
        try:
            parsed(metric.formula or "0")
        except ValueError as error:
            msg = f"{path}: {name}: {error}"
            raise DataError(msg) from None


def _impossible(metric: Metric) -> str | None:
    """Return why no audit can have computed this figure, or None."""
    value, low, high = metric.value, metric.low, metric.high
    least, greatest = metric.bounds
    if not 0 < metric.level < 1:
        return f"level: expected a number between 0 and 1, found {metric.level}"
    if not 0 <= metric.clusters <= metric.n or (value is not None and metric.n == 0):
        return (
            f"clusters: expected at most n, and n above 0 for a value; found {metric.clusters} and {metric.n}"
        )
    if metric.cases is not None and metric.n > metric.cases:
        return f"n: expected at most the {metric.cases} cases, found {metric.n}"
    ends = [end for end in (least, low, value, high, greatest) if end is not None]
    if any(a > b + ROUNDING * max(1.0, abs(b)) for a, b in pairwise(ends)):
        found = f"found low {low}, value {value}, high {high} with bounds {least} and {greatest}"
        return f"low, value, high: expected them in this order, within the metric's bounds; {found}"
    return None
