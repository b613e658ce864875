"""The cards of scorers: those that ship with the bundled models, and those of the user's own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from gptaudit.errors import UsageError
from gptaudit.files import read_record
from gptaudit.protocols.scorer import Scorer
from gptaudit.records import CARD_SCHEMA, ScorerCard

NO_MATTER = frozenset({"version", "model"})
"""Parts of an identity that may differ: the name, and the version of a library."""


def read_card(path: Traversable) -> ScorerCard:
    """Read a card that `gptaudit scorers evaluate` wrote; raise `UsageError` naming the key."""
    remedy = "Name a card that `gptaudit scorers evaluate -o FILE` wrote"
    return read_record(path, ScorerCard, CARD_SCHEMA, remedy=remedy, error=UsageError)


@cache
def shipped_cards() -> tuple[ScorerCard, ...]:
    """Return the cards of the bundled models."""
    files = resources.files("gptaudit.scorers.cards").iterdir()
    return tuple(
        read_card(file) for file in sorted(files, key=lambda f: f.name) if file.name.endswith(".json")
    )


def is_of(card: ScorerCard, scorer: Scorer) -> bool:
    """Return whether a card was measured with this very scorer."""
    own, known = dict(scorer.identity), dict(card.identity)
    return card.scorer == scorer.name and all(
        own.get(key) == known.get(key) for key in {*own, *known} - NO_MATTER
    )
