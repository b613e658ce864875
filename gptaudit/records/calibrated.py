"""Records of `calibration.json`, schema `gptaudit.calibration/1`: how well probes find flaws of known size.

{"schema": "gptaudit.calibration/1",
 "made": {"finished", "seed", "plan": {DOSE: DECODERS}, "versions": {...}},
 "probes": [{"id", "version", "method": SHA256, "sightings": [
   {"figure": {"flaw", "metric", "slice", "unit", "same_unit", "ideal", "level", "cases", "decoders", "failed",
               "slope", "intercept", "r2", "false_alarms", "covers_planted", "covers_learned", "power": [...],
               "smallest_detectable", "why", "smallest_low", "smallest_high", "shape": {"layers", "width"}},
    "trials": [{"dose", "seed", "planted", "learned", "value", "low", "high", "failed", "why"}]}]}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CALIBRATION_SCHEMA = "gptaudit.calibration/1"


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of the decoders of a calibration."""

    layers: int
    width: int
    """Size of the hidden state of a token."""


SMALL = Shape(layers=1, width=64)


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of` audits, with Wilson's interval of their share, clustered by seed."""

    count: int
    of: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient with its interval; values are null only if `why` says why."""

    value: float | None
    low: float | None
    high: float | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Power:
    """The share of audits that found a flaw of one size."""

    dose: float
    planted: float
    """The rate that the dose plants."""
    effect: float
    """Distance of `planted` from the rate of dose 0."""
    found: Share
    """Audits whose interval excludes the ideal on the flaw's side."""


@dataclass(frozen=True, slots=True)
class CalibratedFigure:
    """Calibration of one figure of a probe, from trial audits of decoders with a planted flaw.

    `slope`, `intercept` and `r2` are those of the regression of measured values on planted rates, over all decoders.
    """

    flaw: str
    metric: str
    slice: Mapping[str, str]
    unit: str
    same_unit: bool
    """Whether the figure has the unit of the planted rate; only then can its interval contain that rate."""
    ideal: float
    level: float
    """Level of all intervals here and in the audits."""
    cases: int
    """Cases of each trial audit: the probe's default number."""
    decoders: int
    """Decoders that learned what was planted and were audited."""
    failed: int
    """Decoders that did not learn it; no other count includes them."""
    slope: Estimate
    intercept: Estimate
    r2: float | None
    false_alarms: Share
    """Audits of clean decoders whose interval excludes the ideal."""
    covers_planted: Share | None
    """Audits whose interval contains the planted rate; None if units differ."""
    covers_learned: Share | None
    """The same for the rate that the decoder learned, according to its conditional probabilities."""
    power: tuple[Power, ...]
    smallest_detectable: float | None
    """The smallest distance from the rate of dose 0 that is found in 95 % of audits; null only if `why` says why."""
    why: str | None = None
    smallest_low: float | None = None
    smallest_high: float | None = None
    """Its interval; an end that the decoders do not bound is null."""
    shape: Shape = SMALL
    """Shape of the decoders; `SMALL` where a file does not say."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One audit of one decoder; values are null only if `why` says why."""

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
    """A figure's calibration with the trials that it is computed from."""

    figure: CalibratedFigure
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True)
class ProbeCalibration:
    """Calibration of one probe, in one version and with one method."""

    id: str
    version: str
    method: str
    """`gptaudit.evidence.plan.digest` of `ProbeResult.method`."""
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Content of `calibration.json`."""

    probes: tuple[ProbeCalibration, ...]
    made: Mapping[str, Any] = field(default_factory=dict)
    schema: str = CALIBRATION_SCHEMA
