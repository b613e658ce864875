"""The geometry of the drawings: where things stand, in per cent of the width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gptaudit.records import Metric

from .numbers import compact

LEVELS = 8
"""Steps of the colour scale on each side of zero."""


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval on an axis. Positions are in per cent of the width, ready for SVG attributes."""

    label: str
    """What the drawing shows, in words."""
    start: str
    """What the axis begins at, in words."""
    end: str
    value: str | None = None
    low: str | None = None
    width: str = "0%"
    ideal: str | None = None
    allowed: tuple[str, str] | None = None
    """Where the range that a rule allows begins, and how wide it is."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of the number line."""

    start: float
    end: float
    unit: str

    def place(self, value: float) -> float:
        """Say where a value stands, in per cent of the axis; outside values stand at its ends."""
        return min(100.0, max(0.0, (value - self.start) / (self.end - self.start) * 100))


def axis_for(values: Iterable[float], unit: str, *, whole: bool = False) -> Axis:
    """Choose an axis with round ends that holds all values.

    Fractions stay between 0 and 1, and have the `whole` of it where asked.
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
    """Choose one axis for metrics of one unit, so that their bars can be compared by eye."""
    values = [v for m in metrics for v in (m.value, m.low, m.high, m.ideal) if v is not None]
    return axis_for(values, metrics[0].unit, whole=metrics[0].direction != "lower")


def bar(
    axis: Axis,
    label: str,
    figure: tuple[float | None, float | None, float | None],
    *,
    ideal: float | None = None,
    allowed: tuple[float, float] | None = None,
) -> Bar:
    """Place a figure (value, low, high) on an axis, with its ideal or the range that a rule allows."""
    value, low, high = figure
    span = None if low is None or high is None else (axis.place(low), axis.place(high))
    zone = None if allowed is None else (axis.place(allowed[0]), axis.place(allowed[1]))
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
    """Name the colour of a score: `p1` to `p8` above zero, `n1` to `n8` below it, `0` at it.

    `peak` is the largest score without its sign; the scale is linear and the same on both sides.
    """
    step = math.ceil(abs(score) / peak * LEVELS - 0.5) if peak > 0 else 0
    return f"{'p' if score > 0 else 'n'}{min(step, LEVELS)}" if step > 0 else "0"


def _percent(place: float) -> str:
    return f"{place:.2f}%"


def round_step(size: float) -> float:
    """Return the least of 1, 2, 2.5 and 5 times a power of ten that is not below `size`."""
    power = 10.0 ** math.floor(math.log10(size))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= size * (1 - 1e-9))
