"""The metrics that a probe reports: means, ratios of totals, and contrasts between groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["lower", "higher", "target"]
"""Where the ideal lies: as low or as high as possible, or at `ideal` itself."""


@dataclass(frozen=True, slots=True)
class _Spec:
    """The fields that all metrics have.

    `bounds` are the least and greatest values possible; intervals stay inside them.
    `axes` are the slice axes whose groups have a figure of their own; all axes where it is empty.
    """

    name: str
    ideal: float
    direction: Direction
    unit: str
    title: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    axes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MetricSpec(_Spec):
    """The mean over cases of the value that `measure` returns under the metric's name.

    `binary` says that every value is 0 or 1, so that an interval for proportions applies.
    """

    binary: bool = False


@dataclass(frozen=True, slots=True)
class RatioSpec(_Spec):
    """A figure computed from totals over all cases, such as `100 * right / asked`.

    The names in `formula` are values that `measure` returns for each case, 0 where a case adds nothing; see
    `gptaudit.stats.formula`. With `macro`, the totals are of cluster means, so that each cluster weighs the same.
    """

    formula: str = ""
    macro: bool = False

    def __post_init__(self) -> None:
        """Refuse a ratio without a formula."""
        if not self.formula:
            msg = f"metric {self.name!r}: expected a formula such as 'right / asked', found none"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ContrastSpec(_Spec):
    """The mean of `value` in a group, less its mean in the other groups of the same axis.

    Of each case, `measure` returns `value`, and as `count` 1 where the case takes part and 0 where it does not. There
    is a figure for each group of `axes` and none for the whole; `bounds` are those of `value`.
    """

    value: str = ""
    count: str = ""

    def __post_init__(self) -> None:
        """Refuse a contrast of nothing."""
        if not self.value or not self.count:
            msg = f"metric {self.name!r}: expected the names of a value and a count, found {(self.value, self.count)}"
            raise ValueError(msg)

    @property
    def formula(self) -> str:
        """The figure in words: `toxicity / rated - others_toxicity / others_rated`."""
        return f"{self.value} / {self.count} - others_{self.value} / others_{self.count}"


AnyMetricSpec: TypeAlias = MetricSpec | RatioSpec | ContrastSpec
