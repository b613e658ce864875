"""
How well probes find flaws of known size: the records of `calibration.json`, schema `gptaudit.calibration/1`.

    {"schema": "gptaudit.calibration/1",
     "made": {"finished", "seed", "plan": {DOSE: DECODERS}, "versions": {...}},
     "probes": [{"id", "version", "method": SHA256, "sightings": [
       {"figure": {"flaw", "metric", "slice", "unit", "same_unit", "ideal", "level", "cases", "decoders", "failed",
                   "slope", "intercept", "r2", "false_alarms", "covers_planted", "covers_learned", "power": [...],
                   "smallest_detectable", "why"},
        "trials": [{"dose", "seed", "planted", "learned", "value", "low", "high", "failed", "why"}]}]}]}

The calibration of the built-in probes ships as `shipped.json` in this folder, written by `gptaudit calibrate`. A probe
may bring its own file of this schema: see `gptaudit.probe.Probe.calibration`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from gptaudit.probe import Probe
    from gptaudit.records import ProbeResult

SCHEMA = "gptaudit.calibration/1"
SHIPPED = files("gptaudit.calibration") / "shipped.json"
DIGITS = 6
"""Significant digits of the numbers in the file; the trials of twenty probes stay below 300 kB."""


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of` audits, and between what bounds their share lies in all such audits (Wilson, by seed)."""

    count: int
    of: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient with its interval; what is null has a `why`."""

    value: float | None
    low: float | None
    high: float | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Power:
    """How often a flaw of one size was found."""

    dose: float
    planted: float
    """The rate that the dose plants."""
    effect: float
    """How far that lies from the rate of dose 0."""
    found: Share
    """Audits whose interval excludes the ideal on the flaw's side."""


@dataclass(frozen=True, slots=True)
class CalibratedFigure:
    """What trial audits of decoders with a planted flaw say about one figure of a probe.

    `slope`, `intercept` and `r2` are those of the measured value on the planted rate, over all decoders.
    """

    flaw: str
    metric: str
    slice: Mapping[str, str]
    unit: str
    same_unit: bool
    """Whether the figure has the unit of the planted rate; only then can its interval hold that rate."""
    ideal: float
    level: float
    """Of every interval here, and of the audits."""
    cases: int
    """Cases of each trial audit: the probe's default number."""
    decoders: int
    """Decoders that learned what was planted and were audited."""
    failed: int
    """Decoders that did not learn it; they count nowhere else."""
    slope: Estimate
    intercept: Estimate
    r2: float | None
    false_alarms: Share
    """Audits of clean decoders whose interval excludes the ideal."""
    covers_planted: Share | None
    """Audits whose interval holds the planted rate; None where units differ."""
    covers_learned: Share | None
    """The same for the rate that the decoder learned, by its own conditional probabilities."""
    power: tuple[Power, ...]
    smallest_detectable: float | None
    """The smallest distance from the rate of dose 0 that is found in 95 % of audits; null with a `why`."""
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One audit of one decoder; what is null has a `why`."""

    dose: float
    seed: int
    planted: float
    learned: float | None
    value: float | None
    low: float | None
    high: float | None
    failed: bool = False
    """Whether the decoder did not learn what was planted, so that it was not audited."""
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A figure's calibration with the trials that it rests on."""

    figure: CalibratedFigure
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class ProbeCalibration:
    """What is known of one probe, in one version that measures in one way."""

    id: str
    version: str
    method: str
    """`gptaudit.plan.digest` of `ProbeResult.method`."""
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """`calibration.json`."""

    probes: tuple[ProbeCalibration, ...]
    made: Mapping[str, Any] = field(default_factory=dict)
    schema: str = SCHEMA


def to_text(calibration: Calibration) -> str:
    """Write it as JSON, one probe a line; raise `ValueError` where a number is not finite."""
    plain = _rounded(asdict(calibration))
    probes = ",\n".join(_compact(probe) for probe in plain.pop("probes"))
    head = _compact({"schema": plain.pop("schema"), **plain})
    return f'{head[:-1]},\n"probes":[\n{probes}\n]}}\n'


def read_calibration(file: Traversable) -> Calibration:
    """Read `calibration.json`; raise `DataError` naming the file, the key and what was expected."""
    from gptaudit.errors import DataError
    from gptaudit.results import parse_json
    from gptaudit.validation import validated

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read: {error}. It should be a calibration.json of `gptaudit calibrate`"
        raise DataError(msg) from None
    data = parse_json(text, str(file))
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA:
        msg = f"{file}: expected an object with schema {SCHEMA!r}, found schema {schema!r}"
        raise DataError(f"{msg}. Give the calibration.json of `gptaudit calibrate`")
    return validated(Calibration, data, where=str(file), error=DataError)


def probe_calibration(probe: Probe) -> ProbeCalibration | None:
    """Return the calibration of a probe in its present version, from its own file or the one that ships."""
    known = _shipped() if probe.calibration is None else read_calibration(probe.calibration).probes
    return next((c for c in known if c.id == probe.id and c.version == probe.version), None)


def calibration_of(probe: Probe, result: ProbeResult) -> tuple[CalibratedFigure, ...] | None:
    """Return what is known of an audit like this one: same version, method, number of cases and level, or None.

    An audit of fewer cases finds less, so the figures of the default number say nothing about it.
    """
    from gptaudit.plan import digest

    known = probe_calibration(probe)
    if known is None or known.method != digest(dict(result.method)):
        return None
    levels = {metric.level for metric in result.metrics}
    figures = (s.figure for s in known.sightings)
    return tuple(f for f in figures if f.cases == result.cases and levels == {f.level}) or None


@cache
def _shipped() -> tuple[ProbeCalibration, ...]:
    return read_calibration(SHIPPED).probes if SHIPPED.is_file() else ()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
