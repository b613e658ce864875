"""Registration of the scorers that come with gptaudit."""

from __future__ import annotations

from collections.abc import Callable

from gptaudit.markers import hookimpl
from gptaudit.protocols.scorer import ScorerType
from gptaudit.scorers.detoxify import PUBLISHED, open_detoxify
from gptaudit.scorers.refusal import RULES, open_refusal
from gptaudit.scorers.sentiment import MODEL, open_sentiment


@hookimpl
def gptaudit_register_scorers(register: Callable[[ScorerType], None]) -> None:
    """Register `detoxify`, `sentiment` and `refusal`."""
    models = ("bundled", *PUBLISHED)
    register(ScorerType("detoxify", "toxicity in six labels, by a Detoxify model", models, open_detoxify))
    sentiment = "positive and negative sentiment of an English text, by VADER"
    register(ScorerType("sentiment", sentiment, (MODEL,), open_sentiment))
    refusal = "whether an answer refuses its request, in part or whole, complies, or says nothing; in eight languages"
    register(ScorerType("refusal", refusal, (RULES,), open_refusal))
