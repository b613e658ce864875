"""Geometry of plots with two axes; x is in per cent of the width, y in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gptaudit.gate.numbers import compact

from .charts import Axis, round_step

HEIGHT = 240
"""Length of the vertical axis in pixels."""
TOP = 12
LEFT, WIDTH = 14.0, 83.0
"""Start and length of the horizontal axis; the labels of the vertical axis are to the left of it."""
STEPS = 4
"""Approximate number of labels of an axis."""
TINY = 1e-9
"""Tolerance in steps, so that 0.3 / 0.1 is three steps despite rounding."""
SPREAD = 3.0
"""Total width, in per cent, over which points of equal x are spread, so that each is visible."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point, and the `top` and `bottom` of its interval, as text for SVG attributes."""

    x: str
    y: str
    top: str | None
    bottom: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line from one point to another."""

    x1: str
    y1: str
    x2: str
    y2: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Two axes and the elements drawn on them."""

    label: str
    """Description of the plot in words."""
    across: str
    """Title of the horizontal axis."""
    up: str
    """Title of the vertical axis."""
    x_ticks: tuple[tuple[str, str], ...]
    """(position, text) of each label."""
    y_ticks: tuple[tuple[str, str], ...]
    marks: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()
    """Lines through the measured points, or fitted to them."""
    guides: tuple[Line, ...] = ()
    """Reference lines."""
    bottom: str = f"{TOP + HEIGHT}"
    height: str = f"{TOP + HEIGHT + 40}"


@dataclass(frozen=True, slots=True)
class Frame:
    """Horizontal and vertical axis of a plot."""

    x: Axis
    y: Axis
    step: tuple[float, float]
    """Distance between the labels of each axis."""

    @classmethod
    def around(cls, xs: Iterable[float], ys: Iterable[float], units: tuple[str, str]) -> Frame:
        """Return axes whose ends are the round values closest around the data."""
        (x, across), (y, up) = _axis(list(xs), units[0]), _axis(list(ys), units[1])
        return cls(x, y, (across, up))

    def across(self, value: float, *, shift: float = 0.0) -> str:
        """Return the x position of a value."""
        return f"{LEFT + self.x.place(value) * WIDTH / 100 + shift:.2f}%"

    def down(self, value: float) -> str:
        """Return the y position of a value, from the top."""
        return f"{TOP + HEIGHT * (1 - self.y.place(value) / 100):.1f}"

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> Line:
        """Return the line between two points (x, y)."""
        return Line(self.across(start[0]), self.down(start[1]), self.across(end[0]), self.down(end[1]))

    def marks(self, points: Iterable[tuple[float, float, float | None, float | None]]) -> tuple[Mark, ...]:
        """Return the marks of points (x, y, low, high); points of equal x are placed side by side."""
        columns: dict[float, list[tuple[float, float | None, float | None]]] = {}
        for x, *rest in points:
            columns.setdefault(x, []).append((rest[0] or 0.0, rest[1], rest[2]))
        return tuple(
            Mark(
                self.across(x, shift=SPREAD * ((i + 0.5) / len(column) - 0.5)),
                self.down(y),
                None if high is None else self.down(high),
                None if low is None else self.down(low),
            )
            for x, column in columns.items()
            for i, (y, low, high) in enumerate(column)
        )

    def x_ticks(self) -> tuple[tuple[str, str], ...]:
        """Return the labels of the horizontal axis."""
        return tuple((self.across(v), compact(v, self.x.unit)) for v in _steps(self.x, self.step[0]))

    def y_ticks(self) -> tuple[tuple[str, str], ...]:
        """Return the labels of the vertical axis."""
        return tuple((self.down(v), compact(v, self.y.unit)) for v in _steps(self.y, self.step[1]))


def _axis(values: list[float], unit: str) -> tuple[Axis, float]:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    step = round_step((high - low) / STEPS or 0.01)
    start, end = math.floor(low / step + TINY) * step, math.ceil(high / step - TINY) * step
    return Axis(start, end if end > start else start + step, unit), step


def _steps(axis: Axis, step: float) -> list[float]:
    return [axis.start + step * i for i in range(round((axis.end - axis.start) / step) + 1)]
