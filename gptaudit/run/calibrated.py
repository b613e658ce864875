"""Calibration of a probe: how well it finds flaws of known size.

The calibration of the built-in probes ships as `gptaudit/calibration/shipped.json`, written by `gptaudit calibrate`. A
probe may bring its own file: see `gptaudit.probe.Probe.calibration`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from gptaudit.evidence.calibration_file import read_calibration
from gptaudit.evidence.plan import digest
from gptaudit.probe import Probe
from gptaudit.records import CalibratedFigure, ProbeCalibration, ProbeResult

SHIPPED = files("gptaudit.calibration") / "shipped.json"


def probe_calibration(probe: Probe) -> ProbeCalibration | None:
    """Return the calibration of a probe in its present version, from its own file or the one that ships."""
    known = _shipped() if probe.calibration is None else read_calibration(probe.calibration).probes
    return next((c for c in known if c.id == probe.id and c.version == probe.version), None)


def calibration_of(probe: Probe, result: ProbeResult) -> tuple[CalibratedFigure, ...] | None:
    """Return what is known of an audit like this one: same version, method, number of cases and level, or None.

    An audit of fewer cases finds less, so the figures of the default number say nothing about it.
    """
    known = probe_calibration(probe)
    if known is None or known.method != digest(dict(result.method)):
        return None
    levels = {metric.level for metric in result.metrics}
    figures = (s.figure for s in known.sightings)
    return tuple(f for f in figures if f.cases == result.cases and levels == {f.level}) or None


@cache
def _shipped() -> tuple[ProbeCalibration, ...]:
    return read_calibration(SHIPPED).probes if SHIPPED.is_file() else ()
