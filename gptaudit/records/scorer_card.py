"""The card of a scorer: how often it is right on labelled texts, schema `gptaudit.scorer-card/1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

CARD_SCHEMA = "gptaudit.scorer-card/1"


@dataclass(frozen=True, slots=True)
class LabelledShare:
    """A share or an area with its interval, estimated from `n` labelled texts."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class LabelledSlice:
    """A part of a labelled set: a length, a functionality, a group."""

    axis: str
    group: str
    texts: int
    sensitivity: LabelledShare | None
    specificity: LabelledShare | None


@dataclass(frozen=True, slots=True)
class LabelledFigures:
    """A scorer's figures on one labelled set; None for what the set has too few texts for."""

    data: str
    labelled_by: str
    sha256: str
    """Hash of the labelled texts."""
    texts: int
    positives: int
    clusters: int
    auroc: LabelledShare | None
    sensitivity: LabelledShare | None
    specificity: LabelledShare | None
    slices: tuple[LabelledSlice, ...] = ()
    language: str = "en"
    """Language of the texts, an ISO 639-1 code."""


@dataclass(frozen=True, slots=True)
class ScorerErrors:
    """Sensitivity and specificity of one decision of a scorer, and the labelled sets that they come from."""

    sensitivity: LabelledShare
    specificity: LabelledShare
    sensitivity_on: str
    specificity_on: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A text counts where the sum of its scores for these labels reaches the threshold; on each labelled set."""

    labels: tuple[str, ...]
    threshold: float
    sets: tuple[LabelledFigures, ...]
    """Those most like what a model writes come first: the first with enough texts gives the error rates."""

    def error_rates(self, axis: str = "", group: str = "") -> ScorerErrors | None:
        """Return sensitivity and specificity; with `axis` and `group` those of the group; None where unknown."""
        parts = [(f.data, part) for f in self.sets for part in (_slice(f, axis, group) if axis else [f])]
        found = {
            name: next(((e, data) for data, part in parts if (e := getattr(part, name))), None)
            for name in ("sensitivity", "specificity")
        }
        sensitivity, specificity = found["sensitivity"], found["specificity"]
        if sensitivity is None or specificity is None:
            return None
        return ScorerErrors(sensitivity[0], specificity[0], sensitivity[1], specificity[1])


def _slice(figures: LabelledFigures, axis: str, group: str) -> list[LabelledSlice]:
    return [s for s in figures.slices if (s.axis, s.group) == (axis, group)]


@dataclass(frozen=True, slots=True)
class ScorerCard:
    """What is known of a scorer's errors, bound to it by its identity."""

    scorer: str
    """The role: `toxicity`."""
    identity: Mapping[str, str]
    decisions: tuple[Decision, ...]
    texts_per_second: float
    """Short texts, of at most 20 words, on `threads` threads of a CPU."""
    threads: int
    level: float
    schema: str = CARD_SCHEMA

    def in_language(self, language: str) -> ScorerCard:
        """Return the card of the scorer's errors on texts of one language."""
        own = (
            replace(d, sets=tuple(figures for figures in d.sets if figures.language == language))
            for d in self.decisions
        )
        return replace(self, decisions=tuple(own))

    def decision(self, labels: tuple[str, ...], threshold: float) -> Decision | None:
        """Return the figures of a decision by these labels and this threshold, or None."""
        return next(
            (d for d in self.decisions if (set(d.labels), d.threshold) == (set(labels), threshold)), None
        )
