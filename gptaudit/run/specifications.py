"""What a multiverse of a figure found: its specifications, and how far the figure moves with each choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gptaudit.records import Verdict
from gptaudit.records.margin import Normalisation
from gptaudit.records.metric_specs import Direction
from gptaudit.run.remeasured import Ties
from gptaudit.stats.pooling import FEWEST_GROUPS, partially_pooled

CHOICES = ("form", "template", "normalisation", "ties")


@dataclass(frozen=True, slots=True)
class Specification:
    """One combination of the choices, and the figure by it."""

    form: str
    template: str | None
    """The one template whose cases count; None for all."""
    normalisation: Normalisation | None
    """None where the figure compares no log-likelihoods."""
    ties: Ties
    value: float | None
    low: float | None
    high: float | None
    error: float | None
    """Standard error: half the width of the interval in units of its quantile."""
    why: str | None
    """Why there is no interval, or no value."""
    n: int
    cases: int
    verdict: Verdict | None
    """That of the run's rule on this figure; None without one."""
    usual: bool
    """Whether normalisation and ties are those of the form itself."""
    own: bool = False
    """Whether it is the one that the first run's audit reports."""


@dataclass(frozen=True, slots=True)
class NotVaried:
    """A choice that the answers at hand cannot serve, or that makes no difference, and why."""

    choice: str
    form: str
    why: str


@dataclass(frozen=True, slots=True)
class Span:
    """The range of the figure over the options of one choice, with all else as in the audit."""

    choice: str
    options: int
    low: float
    high: float
    beyond_chance: tuple[float, float] | None = None
    """The same of single templates by partial pooling, so that it is not as wide as chance alone would make it; None
    for other choices, and for too few templates."""


@dataclass(frozen=True, slots=True)
class Multiverse:
    """A figure by all specifications, in the order of their estimates; those without one stand last."""

    target: str
    probe: str
    title: str
    metric: str
    metric_title: str
    unit: str
    ideal: float
    direction: Direction
    level: float
    specifications: tuple[Specification, ...]
    without: tuple[Specification, ...]
    """The audit's own specification without the template that each names."""
    not_varied: tuple[NotVaried, ...]
    cautions: tuple[str, ...]
    rule: str
    """The run's rule on this figure in words; empty without one."""
    allowed: tuple[float | None, float | None]
    """The least and the greatest value that it allows."""

    @property
    def own(self) -> Specification:
        """The audit's own specification."""
        return next(one for one in self.specifications if one.own)

    @property
    def known(self) -> list[Specification]:
        """The specifications that have an estimate."""
        return [one for one in self.specifications if one.value is not None]

    def spans(self) -> Iterator[Span]:
        """Yield the range over each choice that varies."""
        own = self.own
        like_own: Mapping[str, Callable[[Specification], bool]] = {
            "form": lambda one: one.usual and one.template is None,
            "template": lambda one: one.form == own.form and one.usual,
            "normalisation": lambda one: (one.form, one.template, one.ties) == (own.form, None, own.ties),
            "ties": lambda one: (
                (one.form, one.template, one.normalisation) == (own.form, None, own.normalisation)
            ),
        }
        for choice in CHOICES:
            values = [one.value for one in self.known if like_own[choice](one) and one.value is not None]
            if len(values) > 1:
                pooled = self._pooled() if choice == "template" else None
                yield Span(choice, len(values), min(values), max(values), pooled)
        left = [one.value for one in self.without if one.value is not None]
        if left:
            yield Span("template left out", len(left), min(left), max(left))

    def _pooled(self) -> tuple[float, float] | None:
        """Return the range of the audit's own figure over single templates, each pooled with the others."""
        alone = [
            (one.value, one.error)
            for one in self.known
            if one.form == self.own.form and one.usual and one.template is not None and one.value is not None
        ]
        values, errors = [value for value, _ in alone], [error for _, error in alone if error]
        if len(values) < FEWEST_GROUPS or len(errors) < len(values):
            return None
        pooled = [value for value, *_ in partially_pooled(values, errors, level=self.level)]
        return min(pooled), max(pooled)


@dataclass(frozen=True, slots=True)
class Multiverses:
    """The multiverses of an audit's probes, and why others have none."""

    multiverses: tuple[Multiverse, ...]
    left_out: Mapping[str, str]
    schema: Literal["gptaudit.multiverse/1"] = "gptaudit.multiverse/1"
