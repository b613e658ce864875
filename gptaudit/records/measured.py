"""Measurements of cases: values and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gptaudit.records.asked import Attribution, Case
from gptaudit.records.metric_specs import Within


@dataclass(frozen=True, slots=True)
class Exchange:
    """A text that the model was given, wrote or was scored on, with its scores."""

    label: str
    prompt: str
    output: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """A word of a case's prompts, and what it adds to what is attributed; a text that fills a slot is one word."""

    slot: str
    """The slot that it fills, such as `term`, or `other words`."""
    word: str
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the report shows of a case: exchanges, a heatmap of an attribution, or both."""

    exchanges: tuple[Exchange, ...] = ()
    attribution: Attribution | None = None
    note: str = ""
    severity: float = 0.0
    """Sorts the evidence; the largest is shown first."""
    disputed: bool = False
    """Whether two scorers disagree about one of its texts; such evidence is shown before any other."""
    parts: tuple[Part, ...] = ()
    """What is summed up over all cases of an attribution, by slot and by word."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Result of one case: a value per metric, or the reason why it was not scored."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"ser_json_inf_nan": "constants"}
    """Stores NaN as it is, so that it is reported when figures are computed, and not taken for a damaged file."""

    case: str
    cluster: str
    slices: Mapping[str, str]
    values: Mapping[str, float]
    unscored: str | None = None
    evidence: Evidence | None = None
    crossed: str = ""
    """See `Case.crossed`."""

    @classmethod
    def of(
        cls,
        case: Case,
        values: Mapping[str, float] | None = None,
        *,
        unscored: str | None = None,
        evidence: Evidence | None = None,
    ) -> Measurement:
        """Return the measurement of a case."""
        return cls(case.id, case.cluster, case.slices, values or {}, unscored, evidence, case.crossed)

    def stratum(self, axes: Sequence[str], within: Within) -> str:
        """Return what it shares with the cases that it is compared with; see `AurocSpec`."""
        shared = self.crossed if within == "crossed" and self.crossed else self.cluster
        return "\n".join([shared, *(self.slices.get(axis, "") for axis in axes)])
