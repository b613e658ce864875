"""Geometry of the one-dimensional drawings; positions are in per cent of the width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gptaudit.gate.numbers import compact
from gptaudit.records import Metric

LEVELS = 8
"""Number of colour steps on each side of zero."""


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval on an axis; positions are in per cent of the width, as text for SVG attributes."""

    label: str
    """Description of the drawing in words."""
    start: str
    """Label of the left end of the axis."""
    end: str
    value: str | None = None
    low: str | None = None
    width: str = "0%"
    ideal: str | None = None
    allowed: tuple[str, str] | None = None
    """Start and width of the range that a rule allows."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values with its unit."""

    start: float
    end: float
    unit: str

    def place(self, value: float) -> float:
        """Return the position of a value in per cent of the axis; values outside are moved to its ends."""
        return min(100.0, max(0.0, (value - self.start) / (self.end - self.start) * 100))


def axis_for(values: Iterable[float], unit: str, *, whole: bool = False) -> Axis:
    """Return an axis with round ends that contains all values.

    For fractions it stays within 0 to 1, and with `whole` is exactly 0 to 1.
    """
    values = list(values)
    bounded = unit == "fraction" and all(0 <= v <= 1 for v in values)
    if not values or (bounded and whole):
        return Axis(0.0, 1.0, unit)
    low, high = min(values), max(values)
    if unit == "fraction" or low > 0:
        low = min(0.0, low)
    step = round_step((high - low) / 4 or max(abs(high) / 4, 0.01))
    start, end = math.floor(low / step) * step, math.ceil(high / step) * step
    if start == end:
        end += step
    return Axis(start, min(end, 1.0) if bounded else end, unit)


def axis_of(metrics: Sequence[Metric]) -> Axis:
    """Return a common axis for metrics of one unit, so that their bars can be compared."""
    values = [v for m in metrics for v in (m.value, m.low, m.high, m.ideal) if v is not None]
    return axis_for(values, metrics[0].unit, whole=metrics[0].direction != "lower")


def bar(
    axis: Axis,
    label: str,
    figure: tuple[float | None, float | None, float | None],
    *,
    ideal: float | None = None,
    allowed: tuple[float | None, float | None] = (None, None),
) -> Bar:
    """Return the bar of a figure (value, low, high) on an axis, with its ideal and the range that a rule allows.

    An end of that range that is None is open.
    """
    value, low, high = figure
    span = None if low is None or high is None else (axis.place(low), axis.place(high))
    zone = None
    if allowed != (None, None):
        least, greatest = allowed
        zone = (
            0.0 if least is None else axis.place(least),
            100.0 if greatest is None else axis.place(greatest),
        )
    return Bar(
        label=label,
        start=compact(axis.start, axis.unit),
        end=compact(axis.end, axis.unit),
        value=None if value is None else _percent(axis.place(value)),
        low=None if span is None else _percent(span[0]),
        width="0%" if span is None else _percent(span[1] - span[0]),
        ideal=None if ideal is None else _percent(axis.place(ideal)),
        allowed=None if zone is None else (_percent(zone[0]), _percent(zone[1] - zone[0])),
    )


def heat(score: float, peak: float) -> str:
    """Return the colour of a score: `p1` to `p8` above zero, `n1` to `n8` below, `0` at zero.

    `peak` is the largest absolute score; the scale is linear and symmetric.
    """
    step = math.ceil(abs(score) / peak * LEVELS - 0.5) if peak > 0 else 0
    return f"{'p' if score > 0 else 'n'}{min(step, LEVELS)}" if step > 0 else "0"


def _percent(place: float) -> str:
    return f"{place:.2f}%"


def round_step(size: float) -> float:
    """Return the smallest of 1, 2, 2.5 and 5 times a power of ten that is at least `size`."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= size * (1 - 1e-9))
