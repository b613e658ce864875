"""The scorers of regard towards a demographic (Sheng et al. 2019, section 3): classifiers that the user names."""

from __future__ import annotations

from gptaudit.errors import ScorerError
from gptaudit.protocols.scorer import Scorer
from gptaudit.scorers.classifier import ClassifierOptions
from gptaudit.scorers.classifier_folder import SCHEME, open_folder

ROLE = "regard"
LABELS = ("positive", "negative")
OTHER_MODELS = "hf:FOLDER, a sequence classifier with the labels positive and negative"


def open_regard(model: str, options: ClassifierOptions) -> Scorer:
    """Open a classifier of regard; no labelled text that may be used is at hand to train one, so none is bundled."""
    if not model.startswith(SCHEME):
        msg = f"{ROLE}={model}: expected {OTHER_MODELS}"
        raise ScorerError(msg)
    return open_folder(ROLE, model, LABELS, options)
