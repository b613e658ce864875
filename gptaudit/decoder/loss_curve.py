"""Loss curve as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from jinja2 import Environment

Points: TypeAlias = Sequence[dict[str, float]]

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 30, 45
LINES = 5
"""Number of horizontal grid lines, each labelled with its value."""

TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{ width }} {{ height }}" role="img" font-family="sans-serif" \
font-size="12">
  <title>Loss over the steps</title>
  <rect width="100%" height="100%" fill="white"/>
  {%- for value, y in lines %}
  <path d="M{{ left }},{{ y }}H{{ right }}" stroke="#ddd"/>
  <text x="{{ left - 8 }}" y="{{ y + 4 }}" text-anchor="end">{{ "%.2f" % value }}</text>
  {%- endfor %}
  <text x="{{ left }}" y="{{ bottom + 18 }}">0</text>
  <text x="{{ right }}" y="{{ bottom + 18 }}" text-anchor="end">{{ "{:,.0f}".format(steps) }} steps</text>
  {%- for curve in curves %}
  <polyline points="{{ curve.points }}" fill="none" stroke="{{ curve.colour }}" stroke-width="1.5" \
stroke-dasharray="{{ curve.dashes }}"/>
  <text x="{{ right }}" y="{{ curve.legend }}" text-anchor="end" fill="{{ curve.colour }}">{{ curve.name }}: \
{{ "%.3f" % curve.last }} nats per token</text>
  {%- endfor %}
</svg>
"""


def loss_curve(losses: Points, validation: Points) -> str:
    """Draw the training loss (solid) and the validation loss (dashed), both in nats per token."""
    named = [("training", losses, "#1f5fa8", "none"), ("validation", validation, "#b3541e", "6 3")]
    drawn = [(name, points, colour, dashes) for name, points, colour, dashes in named if points]
    values = [point["loss"] for _, points, _, _ in drawn for point in points]
    low, high = min(values), max(values)
    steps = max(point["step"] for _, points, _, _ in drawn for point in points)

    def x(step: float) -> float:
        return round(LEFT + step / steps * (WIDTH - LEFT - RIGHT), 1)

    def y(loss: float) -> float:
        share = (loss - low) / (high - low) if high > low else 0.5
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    lines = [low + (high - low) * n / (LINES - 1) for n in range(LINES)] if high > low else [low]
    curves = [
        {
            "name": name,
            "points": " ".join(f"{x(point['step'])},{y(point['loss'])}" for point in points),
            "colour": colour,
            "dashes": dashes,
            "last": points[-1]["loss"],
            "legend": TOP + 16 * place,
        }
        for place, (name, points, colour, dashes) in enumerate(drawn)
    ]
    return (
        Environment(autoescape=True)
        .from_string(TEMPLATE)
        .render(
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            right=WIDTH - RIGHT,
            bottom=HEIGHT - BOTTOM,
            steps=steps,
            lines=[(value, y(value)) for value in lines],
            curves=curves,
        )
    )
