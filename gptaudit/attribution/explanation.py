"""What is known about why a model prefers one continuation: a record to keep, and a picture for notebooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gptaudit.attribution.orders import OrderFaithfulness
from gptaudit.records import Attribution
from gptaudit.records.words import Word, words_of
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
class Asking:
    """How a target was asked that is not looked into."""

    through: str
    """What its answers are read for: `log-probabilities` or `sampled answers`."""
    unit: str
    """Of all figures: `nats`, or `probability` where answers are sampled."""
    requests: int
    rounds: int
    intervals: tuple[tuple[float, float] | None, ...]
    """95 % interval of each word's score over the rounds, for all words together (Bonferroni); None where all rounds
    are alike, or too few."""
    neither: float | None = None
    """Share of the answers that begin with neither target nor foil; None where no answer is read."""
    unknown: float | None = None
    """By how much the value of a text may be off, at most, where the target shows its likeliest tokens alone."""

    @property
    def shown(self) -> bool:
        """Whether a score can be told from zero, of a target whose scores have intervals."""
        return any(found is None or not found[0] <= 0 <= found[1] for found in self.intervals)


@dataclass(frozen=True)
class Explanation:
    """How much each token of a prompt adds to log P(target) - log P(foil), or to log P(target), in nats.

    Of a target whose answers are sampled, it is how much each word adds to P(target) - P(foil).
    """

    prompt: str
    """The text that the model read; a conversation as its chat template writes it."""
    target: str
    foil: str | None
    attribution: Attribution
    fingerprint: str = ""
    """Hash of the model that was explained; empty where it was given as an object."""
    faithfulness: OrderFaithfulness | None = None
    """Whether the tokens with the largest scores matter most; None where it was not checked."""
    grid: HeadGrid | None = None
    ablation: Ablation | None = None
    asking: Asking | None = None
    """How it was asked, of a target that is not looked into; its tokens are words then."""

    @property
    def unit(self) -> str:
        """The unit of contrast and scores."""
        return "nats" if self.asking is None else self.asking.unit

    @property
    def failures(self) -> tuple[str, ...]:
        """What speaks against the scores; nothing where they may be relied on, as far as it was checked."""
        found = []
        if self.attribution.converged is False:
            found.append(f"its scores miss the change by {self.attribution.delta:+.3f}")
        if self.asking is not None and not self.asking.shown:
            found.append("no word's score can be told from chance")
        # A score is the difference of two values, or a mean of such differences.
        off = None if self.asking is None else self.asking.unknown
        if off is not None and max(map(abs, self.attribution.scores)) <= 2 * off:
            found.append("no word's score is larger than what the target does not show")
        return (*found, *(self.faithfulness.failures if self.faithfulness else ()))

    @property
    def words(self) -> tuple[Word, ...]:
        """The prompt's words with their scores."""
        found = self.attribution
        return words_of(found.tokens, found.offsets, found.scores)

    @property
    def compared(self) -> str:
        """What is explained, in words."""
        sides = [self.target] if self.foil is None else [self.target, self.foil]
        quantity = "log P" if self.unit == "nats" else "P"
        return " - ".join(f"{quantity}({side!r})" for side in sides)

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
        strongest = 0 if self.failures else 70
        shown = [
            (visible(word.text), word.score, round(abs(word.score) / peak * strongest)) for word in self.words
        ]
        return _template().render(explanation=self, compared=visible(self.compared), words=shown)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=PackageLoader("gptaudit.attribution")
    )
    return environment.get_template("words.html")
