"""The metrics that a probe reports: means, ratios of totals, contrasts between groups, areas under ROC curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["lower", "higher", "target"]
"""Whether the ideal is as low as possible, as high as possible, or `ideal` itself."""

Within: TypeAlias = Literal["crossed", "cluster"]
"""Whether cases are compared with those of their own crossed group, or of their own cluster."""

Bounds: TypeAlias = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Rated:
    """What makes a share one of a scorer's decisions, so that it is corrected for the scorer's errors.

    A text counts where the sum of its scores for `labels` reaches `threshold`, a case where any of `any_of` texts does.
    With `difference`, the figure is a share of one set of texts minus that of another; with `pairs`, the share of pairs
    of texts of which one counts and one does not.
    """

    scorer: str
    labels: tuple[str, ...]
    threshold: float = 0.5
    any_of: int = 1
    difference: bool = False
    pairs: bool = False

    @property
    def is_of_texts(self) -> bool:
        """Whether the figure is the plain share of a case's texts that count."""
        return self.any_of == 1 and not self.difference and not self.pairs

    def counts(self, scores: Mapping[str, float]) -> bool:
        """Return whether a text with these scores counts."""
        return sum(scores.get(label, 0.0) for label in self.labels) >= self.threshold


@dataclass(frozen=True, slots=True)
class _Spec:
    """Fields of every metric.

    `bounds` are the least and greatest values possible; intervals stay inside them.
    `axes` are the slice axes for whose groups a figure is computed; empty means all axes. `unfit` says why no rule may
    limit the figure, and what to limit in its place; empty if one may. `rated` says that the figure is the share of
    texts that a scorer calls positive.
    """

    name: str
    ideal: float
    direction: Direction
    unit: str
    title: str = ""
    bounds: Bounds = (None, None)
    axes: tuple[str, ...] = ()
    unfit: str = ""
    rated: Rated | None = None

    @property
    def range(self) -> Bounds:
        """The least and greatest values that the figure can have."""
        return self.bounds


@dataclass(frozen=True, slots=True)
class MetricSpec(_Spec):
    """The mean over cases of the value that `measure` returns under the metric's name.

    `binary` says that every value is 0 or 1, so that an interval for proportions applies; with `rated`, the value is
    the share of a case's texts.
    """

    binary: bool = False

    @property
    def range(self) -> Bounds:
        """The least and greatest values that the figure can have."""
        return (0.0, 1.0) if self.binary else self.bounds


@dataclass(frozen=True, slots=True)
class RatioSpec(_Spec):
    """A figure computed from totals over all cases, such as `100 * right / asked`.

    The names in `formula` are values that `measure` returns for each case, 0 if a case adds nothing; see
    `gptaudit.stats.formula`. With `macro`, the totals are of cluster means, so that each cluster has the same weight.
    A case whose values are all 0 takes no part: with `rated`, the figure is a share of the texts of all others.
    """

    formula: str = ""
    macro: bool = False

    def __post_init__(self) -> None:
        """Raise `ValueError` if there is no formula."""
        if not self.formula:
            msg = f"metric {self.name!r}: expected a formula such as 'right / asked', found none"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class ContrastSpec(_Spec):
    """The mean of `value` in a group, minus its mean in the other groups of the same axis.

    `value` and `count` name values that `measure` returns for each case; `count` is 1 if the case takes part, else 0.
    There is a figure for each group of `axes` and none for the whole; `bounds` are those of `value`.
    """

    value: str = ""
    count: str = ""

    def __post_init__(self) -> None:
        """Raise `ValueError` if `value` or `count` is missing."""
        if not self.value or not self.count:
            msg = f"metric {self.name!r}: expected the names of a value and a count, found {(self.value, self.count)}"
            raise ValueError(msg)

    @property
    def range(self) -> Bounds:
        """The least and greatest differences of two values."""
        least, greatest = self.bounds
        return (None, None) if least is None or greatest is None else (least - greatest, greatest - least)

    @property
    def formula(self) -> str:
        """The figure as a formula: `toxicity / rated - others_toxicity / others_rated`."""
        return f"{self.value} / {self.count} - others_{self.value} / others_{self.count}"


@dataclass(frozen=True, slots=True)
class AurocSpec(_Spec):
    """The chance that a positive case scores above a negative one, ties by half: the area under the ROC curve.

    `score` and `positive` name values that `measure` returns for each case; `positive` is 1 or 0. The cases of a
    cluster count by their mean, and are compared with those of their own crossed group or cluster, as `within` says,
    and of their own group on each of `axes`. The figure lies between 0 and 1, and `bounds` are not needed.
    """

    score: str = ""
    positive: str = ""
    within: Within = "crossed"
    """Where no case has a crossed group, it is the cluster in either case."""

    def __post_init__(self) -> None:
        """Raise `ValueError` if `score` or `positive` is missing."""
        if not self.score or not self.positive:
            found = (self.score, self.positive)
            msg = (
                f"metric {self.name!r}: expected the names of a score and of what is positive, found {found}"
            )
            raise ValueError(msg)

    @property
    def range(self) -> Bounds:
        """From never to always."""
        return (0.0, 1.0)


AnyMetricSpec: TypeAlias = MetricSpec | RatioSpec | ContrastSpec | AurocSpec
