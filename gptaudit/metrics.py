"""From what each case says to figures with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import fsum, isfinite
from typing import TYPE_CHECKING

from gptaudit.records import Measurement, Metric
from gptaudit.stats.intervals import mean_interval

if TYPE_CHECKING:
    from gptaudit.probe import MetricSpec


def summarise(
    specs: Sequence[MetricSpec], measurements: Sequence[Measurement], *, level: float, seed: int
) -> tuple[Metric, ...]:
    """Return each metric's mean over the scored cases with its interval: whole, then slice by slice.

    Slices come in the order in which they first appear. A slice none of whose cases was scored is kept,
    without a value, so that a rule on it cannot pass unseen.

    Raises:
        ValueError: a probe returned a value that is missing, not finite or outside what the metric allows.
    """
    parts = list(_parts(measurements))
    return tuple(
        _metric(spec, where, cases, level=level, seed=seed) for spec in specs for where, cases in parts
    )


def _parts(measurements: Sequence[Measurement]) -> Iterator[tuple[Mapping[str, str], list[Measurement]]]:
    """Yield the measurements of the whole, then those of each slice."""
    yield {}, list(measurements)
    slices = dict.fromkeys(pair for m in measurements for pair in m.slices.items())
    for axis, group in slices:
        yield {axis: group}, [m for m in measurements if m.slices.get(axis) == group]


def _metric(
    spec: MetricSpec, where: Mapping[str, str], cases: Sequence[Measurement], *, level: float, seed: int
) -> Metric:
    scored = [case for case in cases if case.unscored is None]
    values = [_checked(spec, case) for case in scored]
    clusters = [case.cluster for case in scored]
    interval = mean_interval(values, clusters, level=level, seed=seed, binary=spec.binary, bounds=spec.bounds)
    return Metric(
        name=spec.name,
        value=fsum(values) / len(values) if values else None,
        low=interval.low,
        high=interval.high,
        level=level,
        n=len(values),
        clusters=len(set(clusters)),
        interval=interval.method,
        ideal=spec.ideal,
        direction=spec.direction,
        unit=spec.unit,
        title=spec.title,
        slice=where,
        why=interval.why,
        cases=len(cases),
    )


def _checked(spec: MetricSpec, case: Measurement) -> float:
    """Return the case's value of the metric; anything amiss is a bug of the probe."""
    value = case.values.get(spec.name)
    least, greatest = (0.0, 1.0) if spec.binary else spec.bounds
    if value is None:
        problem = "no value"
    elif not isfinite(value):
        problem = f"{value}, which is not finite"
    elif spec.binary and value not in (0, 1):
        problem = f"{value}, but the metric is binary: 0 or 1"
    elif (least is not None and value < least) or (greatest is not None and value > greatest):
        problem = f"{value}, outside the metric's bounds {spec.bounds}"
    else:
        return float(value)
    msg = f"case {case.case!r} has {problem} for metric {spec.name!r}: the probe's `measure` is at fault"
    raise ValueError(msg)
