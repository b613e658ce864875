"""The geometry of drawings with two axes: across in per cent of the width, up and down in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from .charts import Axis, round_step
from .numbers import compact

HEIGHT = 240
"""Pixels between the ends of the vertical axis."""
TOP = 12
LEFT, WIDTH = 14.0, 83.0
"""Where the horizontal axis begins and how long it is; to its left stand the labels of the vertical one."""
STEPS = 4
"""About how many labels an axis has."""
TINY = 1e-9
"""Relative to a step: 0.3 / 0.1 is three steps, whatever the rounding."""
SPREAD = 3.0
"""How far apart the points of one place stand in all, so that each can be seen."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its interval, ready for SVG attributes; `top` and `bottom` are those of the interval."""

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
    """Two axes with what is drawn on them."""

    label: str
    """What the drawing shows, in words."""
    across: str
    """What the horizontal axis shows."""
    up: str
    x_ticks: tuple[tuple[str, str], ...]
    """Place and text."""
    y_ticks: tuple[tuple[str, str], ...]
    marks: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()
    """What was measured, or fitted to it."""
    guides: tuple[Line, ...] = ()
    """What it is held against."""
    bottom: str = f"{TOP + HEIGHT}"
    height: str = f"{TOP + HEIGHT + 40}"


@dataclass(frozen=True, slots=True)
class Frame:
    """Two axes."""

    x: Axis
    y: Axis
    step: tuple[float, float]
    """Between the labels of each axis."""

    @classmethod
    def around(cls, xs: Iterable[float], ys: Iterable[float], units: tuple[str, str]) -> Frame:
        """Choose axes with round ends that hold all values, and hardly more."""
        (x, across), (y, up) = _axis(list(xs), units[0]), _axis(list(ys), units[1])
        return cls(x, y, (across, up))

    def across(self, value: float, *, shift: float = 0.0) -> str:
        """Say where a value stands from left to right."""
        return f"{LEFT + self.x.place(value) * WIDTH / 100 + shift:.2f}%"

    def down(self, value: float) -> str:
        """Say where a value stands from top to bottom."""
        return f"{TOP + HEIGHT * (1 - self.y.place(value) / 100):.1f}"

    def line(self, start: tuple[float, float], end: tuple[float, float]) -> Line:
        """Draw a line between two points."""
        return Line(self.across(start[0]), self.down(start[1]), self.across(end[0]), self.down(end[1]))

    def marks(self, points: Iterable[tuple[float, float, float | None, float | None]]) -> tuple[Mark, ...]:
        """Draw points (x, y, low, high); those of one x stand side by side."""
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
