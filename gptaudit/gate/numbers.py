"""How numbers, units, times and durations are written for readers, in every report and on the terminal."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from gptaudit.language import ENGLISH, language, recorded, tr

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
POINTS = "percentage points"
"""Unit of a difference of two fractions."""
SUFFIXES = {"fraction": "%", "score": ""}
"""Unit -> suffix after a number, for units whose suffix is not their name."""


def places(low: float | None, high: float | None, unit: str) -> int:
    """Return the number of decimals for an interval: two significant digits of its half-width, at most four.

    Percentages have at most two, unless all of the interval is below one. Without an interval it is three, or one for
    percentages.
    """
    if low is None or high is None:
        return 1 if _factor(unit) > 1 else 3
    half_width = (high - low) / 2 * _factor(unit)
    if half_width <= 0:
        return 1 if _factor(unit) > 1 else 3
    most = 2 if _factor(unit) > 1 and max(abs(low), abs(high)) >= 0.01 else 4
    return min(most, max(0, 1 - math.floor(math.log10(half_width))))


def quantity(value: float, unit: str, decimals: int, *, signed: bool = False) -> str:
    """Format a value with its unit; a fraction is formatted as a percentage.

    quantity(0.931, "fraction", 1) == "93.1 %", with a no-break space
    """
    return with_unit(scaled(value, unit, decimals, signed=signed), unit)


def compact(value: float, unit: str) -> str:
    """Format a round value, such as an ideal or the end of an axis, with its unit and no trailing zeros."""
    return with_unit(f"{round(value * _factor(unit), 9):g}".replace("-", MINUS), unit)


def scaled(value: float, unit: str, decimals: int, *, signed: bool = False) -> str:
    """Format a value without its unit; a fraction is formatted as a percentage."""
    return number(value * _factor(unit), decimals, signed=signed)


def with_unit(text: str, unit: str) -> str:
    """Append a unit to a formatted number."""
    suffix = POINTS.removesuffix("s") if unit == POINTS and text == "1" else SUFFIXES.get(unit, unit)
    return f"{text}{NBSP}{recorded(suffix)}" if suffix else text


def interval_text(
    low: float | None, high: float | None, unit: str, decimals: int | None = None
) -> str | None:
    """Format an interval: `90.4 to 95.2 %`; None if it has no ends."""
    if low is None or high is None:
        return None
    digits = places(low, high, unit) if decimals is None else decimals
    return tr("{low} to {high}", low=scaled(low, unit, digits), high=quantity(high, unit, digits))


def level_text(level: float) -> str:
    """Format a confidence level as a percentage."""
    percent = round(level * 100, 9)
    return number(percent, 0 if percent.is_integer() else 1) + NBSP + "%"


def unit_of_difference(unit: str) -> str:
    """Return the unit of a difference of two values."""
    return POINTS if unit == "fraction" else unit


def number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Format a number with thin spaces between thousands and a true minus sign; a rounded zero has no sign."""
    rounded = round(value, decimals) + 0.0
    text = f"{rounded:+,.{decimals}f}" if signed and rounded else f"{rounded:,.{decimals}f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", MINUS)


def short(value: float, *, signed: bool = False) -> str:
    """Format the score of one case with about three significant digits."""
    if abs(value) >= 1e6 or 0 < abs(value) < 1e-5:
        return f"{value:{'+' if signed else ''}.2e}".replace("-", MINUS)
    return number(value, short_places(value), signed=signed)


def short_places(value: float) -> int:
    """Return the number of decimals for three significant digits: none for a whole number, at most five."""
    if value == round(value):
        return 0
    return min(5, max(0, 2 - math.floor(math.log10(abs(value)))))


def count(value: int) -> str:
    """Format a whole number with thin spaces between thousands."""
    return number(value, 0)


def instant(text: str) -> datetime | None:
    """Return an ISO 8601 time in UTC; None for any other text."""
    try:
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def moment(text: str) -> str:
    """Format an ISO 8601 time in UTC, in English in words; any other text is returned unchanged."""
    utc = instant(text)
    if utc is None:
        return text
    if language() != ENGLISH:
        return f"{utc:%Y-%m-%d %H:%M} UTC"
    return f"{utc.day} {utc:%B %Y, %H:%M} UTC"


def duration(seconds: float) -> str:
    """Format a duration: `8.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return tr("{seconds}\xa0s", seconds=number(seconds, 1))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return tr("{minutes}\xa0min {seconds}\xa0s", minutes=minutes, seconds=rest)
    return tr("{hours}\xa0h {minutes}\xa0min", hours=minutes // 60, minutes=minutes % 60)


def _factor(unit: str) -> int:
    return 100 if unit in {"fraction", POINTS} else 1
