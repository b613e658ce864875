"""Labels that a person gave to texts of an audit, schema `gptaudit.labels/1`: `labels.json` in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LABELS_SCHEMA = "gptaudit.labels/1"


@dataclass(frozen=True, slots=True)
class TextLabel:
    """What a person says of one text."""

    case: str
    number: int
    """Which of the case's texts, from 0."""
    sha256: str
    """Hash of the prompt and the text: a label does not count for another text."""
    positive: bool

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells the text from any other."""
        return self.case, self.number, self.sha256


@dataclass(frozen=True, slots=True)
class FigureLabels:
    """The labels of the texts behind one figure, drawn by the verdicts of one scorer."""

    probe: str
    metric: str
    scorer: Mapping[str, str]
    """The scorer's identity: by the verdicts of another one, these texts are no random sample."""
    labels: tuple[TextLabel, ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """All labels of a run folder."""

    figures: tuple[FigureLabels, ...]
    schema: str = LABELS_SCHEMA
