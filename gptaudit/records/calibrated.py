"""How well probes find flaws of known size: `calibration.json`, schema `gptaudit.calibration/1`.

{"schema": "gptaudit.calibration/1",
 "made": {"finished", "seed", "plan": {DOSE: DECODERS}, "versions": {...}},
 "probes": [{"id", "version", "method": SHA256, "sightings": [
   {"figure": {"flaw", "metric", "slice", "unit", "same_unit", "ideal", "level", "cases", "decoders", "failed",
               "slope", "intercept", "r2", "false_alarms", "covers_planted", "covers_learned", "power": [...],
               "smallest_detectable", "why"},
    "trials": [{"dose", "seed", "planted", "learned", "value", "low", "high", "failed", "why"}]}]}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CALIBRATION_SCHEMA = "gptaudit.calibration/1"


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
    """`gptaudit.evidence.plan.digest` of `ProbeResult.method`."""
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """`calibration.json`."""

    probes: tuple[ProbeCalibration, ...]
    made: Mapping[str, Any] = field(default_factory=dict)
    schema: str = CALIBRATION_SCHEMA
