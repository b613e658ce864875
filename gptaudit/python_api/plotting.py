"""Figures of an audit drawn with matplotlib, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gptaudit.errors import UsageError
from gptaudit.records import Metric

ROW = 0.35
"""Inches for each figure."""


def draw(figures: Mapping[str, Metric], title: str, ax: Any = None) -> Any:  # noqa: ANN401 - axes of matplotlib
    """Draw each figure as a point with its interval, and its ideal value as a diamond, the first one on top.

    A figure without a value has its name alone. Names and the title are drawn as they are, not as formulas.

    Raises:
        UsageError: matplotlib is not installed.
    """
    if ax is None:
        _, ax = _pyplot().subplots(figsize=(8, 1 + ROW * max(1, len(figures))), layout="constrained")
    for place, metric in enumerate(figures.values()):
        if metric.value is not None:
            ax.plot(metric.value, place, "o", color="C0")
        if metric.low is not None and metric.high is not None:
            ax.hlines(place, metric.low, metric.high, color="C0")
        ax.plot(metric.ideal, place, "d", color="0.6", fillstyle="none")
    ax.set_yticks(range(len(figures)), list(figures), parse_math=False)
    ax.set_ylim(len(figures) - 0.5, -0.5)
    ax.set_title(title, parse_math=False)
    ax.set_xlabel("value with its interval, and its ideal (\u25c7)")
    return ax


def _pyplot() -> Any:  # noqa: ANN401 - matplotlib need not be installed
    try:
        from matplotlib import pyplot as plt  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        msg = "matplotlib is not installed; pip install matplotlib, or take the figures as they are"
        raise UsageError(msg) from None
    return plt
