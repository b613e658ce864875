"""The cards of scorers: those that ship with the bundled models, and those of the user's own."""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from gptaudit.errors import UsageError
from gptaudit.files import parse_json, read_text
from gptaudit.protocols.scorer import Scorer
from gptaudit.records import CARD_SCHEMA, ScorerCard
from gptaudit.validation import validated

NO_MATTER = frozenset({"version", "model"})
"""Parts of an identity that may differ: the name, and the version of a library."""


def read_card(path: Traversable) -> ScorerCard:
    """Read a card that `gptaudit scorers evaluate` wrote; raise `UsageError` naming the key."""
    data = parse_json(read_text(path, error=UsageError), str(path))
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != CARD_SCHEMA:
        msg = f"{path}: expected an object with schema {CARD_SCHEMA!r}, found schema {schema!r}"
        raise UsageError(f"{msg}. Name a card that `gptaudit scorers evaluate -o FILE` wrote")
    return validated(ScorerCard, data, where=str(path), error=UsageError)


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
