"""Reading and writing `calibration.json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources.abc import Traversable
from typing import Any

from gptaudit.errors import DataError
from gptaudit.files import read_record
from gptaudit.records import CALIBRATION_SCHEMA, Calibration

DIGITS = 6
"""Significant digits of the numbers in the file; with six, the trials of twenty probes take less than 300 kB."""


def to_text(calibration: Calibration) -> str:
    """Return a calibration as JSON, one probe per line; raise `ValueError` if a number is not finite."""
    plain = _rounded(asdict(calibration))
    probes = ",\n".join(_compact(probe) for probe in plain.pop("probes"))
    head = _compact({"schema": plain.pop("schema"), **plain})
    return f'{head[:-1]},\n"probes":[\n{probes}\n]}}\n'


def read_calibration(file: Traversable) -> Calibration:
    """Read `calibration.json`; raise `DataError` naming the file, the key and what was expected."""
    remedy = "Name a calibration.json that `gptaudit calibrate` wrote"
    return read_record(file, Calibration, CALIBRATION_SCHEMA, remedy=remedy, error=DataError)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
