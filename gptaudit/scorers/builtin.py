"""The scorers that come with gptaudit."""

from __future__ import annotations

from collections.abc import Callable

from gptaudit.hookspecs import hookimpl
from gptaudit.scorers.protocol import Scorer, ScorerType

DETOXIFY_MODELS = ("bundled", "original", "unbiased", "multilingual", "original-small", "unbiased-small")


def _open_detoxify(model: str) -> Scorer:
    from gptaudit.scorers.detoxify import open_detoxify

    return open_detoxify(model)


@hookimpl
def gptaudit_register_scorers(register: Callable[[ScorerType], None]) -> None:
    """Register detoxify."""
    register(
        ScorerType("detoxify", "toxicity in six labels, by a Detoxify model", DETOXIFY_MODELS, _open_detoxify)
    )
