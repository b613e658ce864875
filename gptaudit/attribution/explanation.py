"""What is known about why a model prefers one continuation: a record to keep, and a picture for notebooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gptaudit.attribution.faithfulness import Aopc
from gptaudit.attribution.words import Word, words_of
from gptaudit.records import Attribution
from gptaudit.text import visible

if TYPE_CHECKING:
    from jinja2 import Template

SCHEMA = "gptaudit.explanation/1"


@dataclass(frozen=True)
class HeadGrid:
    """What attention heads do for a contrast; heads are query heads, named `LAYER.HEAD` from 0."""

    how: str
    """What a head's output is replaced by."""
    key_heads: int
    """Heads that have keys and values of their own; fewer than query heads where these are grouped."""
    predicted: tuple[tuple[float, ...], ...]
    """Change of the contrast when a head is replaced, to first order, by layer and head. A ranking, and no effect."""
    effects: Mapping[str, float]
    """Head -> change of the contrast when it was replaced and the prompt scored again; the first of the ranking."""


@dataclass(frozen=True)
class Ablation:
    """A set of heads taken out, and everything scored again."""

    heads: tuple[str, ...]
    how: str
    before: float
    after: float
    """The contrast with all heads, and without these, in nats."""
    after_random: tuple[float, ...]
    """The contrast without as many other heads of the same layers, for random sets of them."""
    perplexity_before: float
    perplexity_after: float
    """Of neutral sentences, per token."""


@dataclass(frozen=True)
class Explanation:
    """How much each token of a prompt adds to log P(target) - log P(foil), or to log P(target), in nats."""

    prompt: str
    """The text that the model read; a conversation as its chat template writes it."""
    target: str
    foil: str | None
    attribution: Attribution
    fingerprint: str = ""
    """Hash of the model that was explained; empty where it was given as an object."""
    faithfulness: Aopc | None = None
    """Whether the tokens with the largest scores matter most; None where it was not checked."""
    grid: HeadGrid | None = None
    ablation: Ablation | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """The prompt's words with their scores."""
        found = self.attribution
        return words_of(found.tokens, found.offsets, found.scores)

    @property
    def compared(self) -> str:
        """What is explained, in words."""
        return f"log P({self.target!r})" + ("" if self.foil is None else f" - log P({self.foil!r})")

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "schema": SCHEMA,
            "compared": self.compared,
            **asdict(self),
            "words": [asdict(word) for word in self.words],
        }

    def to_json(self) -> str:
        """Return the record as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False, indent=1)

    def _repr_html_(self) -> str:
        """Return the words on a background of their scores, as notebooks show it; all text is escaped."""
        peak = max((abs(word.score) for word in self.words), default=0.0) or 1.0
        shown = [(visible(word.text), word.score, round(abs(word.score) / peak * 70)) for word in self.words]
        return _template().render(explanation=self, compared=visible(self.compared), words=shown)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=PackageLoader("gptaudit.attribution")
    )
    return environment.get_template("words.html")
