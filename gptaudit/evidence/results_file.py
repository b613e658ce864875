"""Reading `results.json`."""

from __future__ import annotations

from pathlib import Path

from gptaudit.errors import DataError
from gptaudit.files import parse_json, read_text
from gptaudit.records import RESULTS_SCHEMA, AuditResult
from gptaudit.stats.formula import parsed
from gptaudit.validation import validated


def read_results(path: Path) -> AuditResult:
    """Read `results.json`. Unknown keys are ignored.

    Raises:
        DataError: the file is missing, is not JSON or does not match the schema; the message names the file and the
            line or key.
    """
    data = parse_json(read_text(path, error=DataError), str(path))
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != RESULTS_SCHEMA:
        msg = f"{path}: expected an object with schema {RESULTS_SCHEMA!r}, found schema {schema!r}"
        raise DataError(f"{msg}. Name a results.json that `gptaudit run` wrote")
    result = validated(AuditResult, data, where=str(path), error=DataError)
    _check_formulas(result, path)
    return result


def _check_formulas(result: AuditResult, path: Path) -> None:
    """Raise `DataError` for an invalid formula, before anything is computed from it."""
    for name, metric in result.metrics().items():
        try:
            parsed(metric.formula or "0")
        except ValueError as error:
            msg = f"{path}: {name}: {error}"
            raise DataError(msg) from None
