"""`results.json`, and what else is written as JSON with a schema."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gptaudit.errors import DataError, UsageError
from gptaudit.records import RESULTS_SCHEMA, AuditResult
from gptaudit.text import well_formed

if TYPE_CHECKING:
    from gptaudit.comparison import Comparison


def to_json(result: AuditResult | Comparison) -> str:
    """Write a result as JSON, keys in the order of the fields with `schema` first.

    It is pure ASCII, so that no model output can act on a terminal that shows it; a lone surrogate, which no
    encoding can hold, becomes U+FFFD. Raises `ValueError` where a number is not finite.
    """
    plain = _plain(result)
    ordered = {"schema": plain.pop("schema"), **plain}
    return json.dumps(ordered, indent=1, allow_nan=False) + "\n"


def read_results(path: Path) -> AuditResult:
    """Read `results.json`. Unknown keys are ignored.

    Raises `DataError` naming the file and the line or key where it is missing, not JSON, of another schema, or
    not as the schema says.
    """
    from gptaudit.validation import read_text, validated

    data = parse_json(read_text(path, error=DataError), str(path))
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != RESULTS_SCHEMA:
        msg = f"{path}: expected an object with schema {RESULTS_SCHEMA!r}, found schema {schema!r}"
        raise DataError(f"{msg}. Give the results.json of a gptaudit run")
    result = validated(AuditResult, data, where=str(path), error=DataError)
    _check_formulas(result, path)
    return result


def _check_formulas(result: AuditResult, path: Path) -> None:
    """Refuse a formula that is none before anything is computed by it."""
    from gptaudit.stats.formula import parsed

    for name, metric in result.metrics().items():
        try:
            parsed(metric.formula or "0")
        except ValueError as error:
            msg = f"{path}: {name}: {error}"
            raise DataError(msg) from None


def write_atomic(path: Path, text: str) -> None:
    """Write a file whole or not at all: whoever reads `path` sees the old content or the new, never a part.

    Raises `UsageError` where the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        msg = f"{path}: cannot be written: {error.strerror or error}. Choose another folder with -o"
        raise UsageError(msg) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return well_formed(value)
    return value


def parse_json(text: str, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read JSON that JSON can hold (no NaN), or raise `DataError` saying `where` and on which line it is none."""
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        msg = f"{where}: line {error.lineno}, column {error.colno}: expected JSON: {error.msg}"
    except RecursionError:
        msg = f"{where}: expected JSON, found values nested too deeply to read"
    except ValueError as error:
        msg = f"{where}: expected JSON: {error}"
    raise DataError(msg)


def _finite(number: str) -> float:
    return value if math.isfinite(value := float(number)) else _refuse(number)


def _refuse(number: str) -> NoReturn:
    msg = f"{number} is no number that JSON can hold; unknown figures are null"
    raise ValueError(msg)
