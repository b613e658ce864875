"""What the answers to a case say: values, evidence, and where the data come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gptaudit.records.asked import Attribution


@dataclass(frozen=True, slots=True)
class Exchange:
    """A text shown to or written by the model, with the numbers that belong to it."""

    label: str
    prompt: str
    output: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a reader should see of a case: exchanges, or a heatmap, or both."""

    exchanges: tuple[Exchange, ...] = ()
    attribution: Attribution | None = None
    note: str = ""
    severity: float = 0.0
    """Orders the evidence; the largest is shown first."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one case says: a value per metric, or the reason why it says nothing."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"ser_json_inf_nan": "constants"}
    """NaN is kept as it is, so that it is found where figures are computed, and not taken for a damaged file."""

    case: str
    cluster: str
    slices: Mapping[str, str]
    values: Mapping[str, float]
    unscored: str | None = None
    evidence: Evidence | None = None
