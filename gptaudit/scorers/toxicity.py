"""The scorers of toxicity: the bundled models by language, Detoxify's checkpoints, and any sequence classifier."""

from __future__ import annotations

from gptaudit.protocols.scorer import Scorer
from gptaudit.scorers.chinese import open_chinese
from gptaudit.scorers.classifier import ClassifierOptions
from gptaudit.scorers.classifier_folder import SCHEME, open_folder
from gptaudit.scorers.detoxify import PUBLISHED, open_detoxify
from gptaudit.scorers.languages import CHINESE, ENGLISH, ByLanguage

ROLE = "toxicity"
BUNDLED = "bundled"
MODELS = (BUNDLED, *PUBLISHED)
OTHER_MODELS = "hf:FOLDER[#LABEL], a sequence classifier; FILE.ckpt, a Detoxify checkpoint"


def open_toxicity(model: str, options: ClassifierOptions) -> Scorer:
    """
    Open a model of toxicity: a name of `MODELS`, or what `OTHER_MODELS` says.

    The bundled models rate texts of their own languages alone, English and Chinese; any other model rates every text.

    Raises:
        ScorerError: there is no such model, or it cannot be used.
    """
    if model.startswith(SCHEME):
        return open_folder(ROLE, model, (ROLE,), options)
    opened = open_detoxify(model, options)
    return ByLanguage(ROLE, {ENGLISH: opened, CHINESE: open_chinese()}) if model == BUNDLED else opened
