"""The scorers that come with gptaudit."""

from __future__ import annotations

from collections.abc import Callable

from gptaudit.hookspecs import hookimpl
from gptaudit.scorers.detoxify import PUBLISHED, open_detoxify
from gptaudit.scorers.protocol import ScorerType


@hookimpl
def gptaudit_register_scorers(register: Callable[[ScorerType], None]) -> None:
    """Register detoxify."""
    models = ("bundled", *PUBLISHED)
    register(ScorerType("detoxify", "toxicity in six labels, by a Detoxify model", models, open_detoxify))
