"""Reading `results.json`, and writing it with the hash of its content."""

from __future__ import annotations

import json
import logging
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from gptaudit.errors import DataError
from gptaudit.evidence.plan import digest
from gptaudit.evidence.stored import FILE_NAME as STORE
from gptaudit.evidence.stored import StoredMeasurements
from gptaudit.files import read_with_schema, to_json
from gptaudit.records import RESULTS_SCHEMA, AuditResult, Metric, ProbeResult, full_name
from gptaudit.records.metric_name import MetricName
from gptaudit.stats.formula import parsed
from gptaudit.validation import validated

log = logging.getLogger("gptaudit")

ROUNDING = 1e-9
"""Relative difference by which a figure may lie outside its interval or bounds."""


def read_results(path: Path) -> AuditResult:
    """Read `results.json`. Unknown keys are ignored.

    Raises:
        DataError: the file is missing, is not JSON, does not match the schema, or was changed after it was written; the
            message names the file and the line or key.
    """
    result, content = read_unchecked(path)
    if result.binding is not None and result.binding.results != content:
        found = (
            f"it names the SHA-256 {result.binding.results[:12]}..., and its content has {content[:12]}..."
        )
        msg = f"{path}: was changed after the audit: {found}. Restore the file; to see what differs: {verifying(path)}"
        raise DataError(msg)
    twice = [probe for probe, times in Counter(p.id for p in result.probes).items() if times > 1]
    if twice:
        msg = f"{path}: probes: {twice[0]!r} stands there twice; take the results.json that `gptaudit run` wrote"
        raise DataError(msg)
    for probe in result.probes:
        _check_figures(probe, path)
    _check_formulas(result, path)
    _check_rules(result, path)
    return result


def read_bound(path: Path) -> AuditResult:
    """Read `results.json`; refuse it where the store beside it holds other measurements than it was made from.

    What an earlier version wrote names no hashes; it is read, and that is logged. Raises as `read_results` does.
    """
    result = read_results(path)
    if result.binding is None:
        told = "it is not bound to its evidence, since an earlier version wrote it; running the audit again binds it"
        log.warning("%s: %s", path, told)
    elif (path.parent / STORE).exists():
        found, named = StoredMeasurements(path.parent).digest, result.binding.evidence.get("measurements", "")
        if found != named:
            what = f"expected those with the SHA-256 {named[:12]}..., found {found[:12]}..."
            msg = f"{path.parent / STORE}: its measurements are not those of {path.name}: {what}. Restore the file, or "
            raise DataError(f"{msg}run that audit again; to see what differs: {verifying(path)}")
    return result


def read_unchecked(path: Path) -> tuple[AuditResult, str]:
    """Read `results.json`, whatever its figures are; return it with the SHA-256 of its content.

    Raises `DataError` if the file is missing, is not JSON or does not match the schema.
    """
    remedy = "Name a results.json that `gptaudit run` wrote"
    data = read_with_schema(path, RESULTS_SCHEMA, remedy=remedy, error=DataError)
    return validated(AuditResult, data, where=str(path), error=DataError), _content_digest(data)


def results_text(result: AuditResult) -> str:
    """Return the text of `results.json`; a result that is bound to its evidence names the hash of its own content."""
    if result.binding is None:
        return to_json(result)
    content = _content_digest(json.loads(to_json(result)))
    return to_json(replace(result, binding=replace(result.binding, results=content)))


def _content_digest(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of `results.json` but the key that names it."""
    binding = data.get("binding")
    named = {**binding, "results": ""} if isinstance(binding, dict) else binding
    return digest({**data, "binding": named})


def verifying(results: Path) -> str:
    """Return the command that verifies a run folder."""
    return f"gptaudit verify {shlex.quote(str(results.parent))}"


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


def _check_rules(result: AuditResult, path: Path) -> None:
    """Raise `DataError` for a rule about what is no name of a figure."""
    for number, rule in enumerate(result.gate.rules if result.gate else (), start=1):
        try:
            MetricName.of(rule.metric)
        except ValueError as error:
            msg = f"{path}: gate, rule {number}: {error}; take the results.json that `gptaudit run` wrote"
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
