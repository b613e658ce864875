"""Registration of the scorers that come with gptaudit."""

from __future__ import annotations

from collections.abc import Callable

from gptaudit.markers import hookimpl
from gptaudit.protocols.scorer import ScorerType
from gptaudit.scorers import regard, toxicity
from gptaudit.scorers.classifier import ClassifierOptions
from gptaudit.scorers.refusal import RULES, open_refusal
from gptaudit.scorers.sentiment import MODEL, open_sentiment
from gptaudit.scorers.toxicity import open_toxicity


@hookimpl
def gptaudit_register_scorers(register: Callable[[ScorerType], None]) -> None:
    """Register `toxicity`, `regard`, `sentiment` and `refusal`."""
    register(
        ScorerType(
            toxicity.ROLE,
            "toxicity of a text",
            toxicity.MODELS,
            open_toxicity,
            aliases=("detoxify",),
            options=ClassifierOptions,
            other_models=toxicity.OTHER_MODELS,
        )
    )
    register(
        ScorerType(
            regard.ROLE,
            "regard towards the people that a text is about",
            (),
            regard.open_regard,
            options=ClassifierOptions,
            other_models=regard.OTHER_MODELS,
        )
    )
    sentiment = "positive and negative sentiment of an English text, by VADER"
    register(ScorerType("sentiment", sentiment, (MODEL,), open_sentiment))
    refusal = "whether an answer refuses its request, in part or whole, complies, or says nothing; in eight languages"
    register(ScorerType("refusal", refusal, (RULES,), open_refusal))
