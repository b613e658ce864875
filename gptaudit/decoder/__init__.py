"""The bundled decoder: a small GPT that trains in minutes, and two trained ones that ship with the package.

Importing this package loads neither torch nor transformers; the functions that need them do.
"""

from __future__ import annotations

from pathlib import Path

SHIPPED = ("reference", "clean")


def register() -> None:
    """Register the decoder with the Auto classes of `transformers`; repeated calls are harmless."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

    from gptaudit.decoder.classifier import DecoderForSequenceClassification
    from gptaudit.decoder.configuration import DecoderConfig
    from gptaudit.decoder.model import DecoderForCausalLM, DecoderModel

    AutoConfig.register(DecoderConfig.model_type, DecoderConfig, exist_ok=True)
    AutoModel.register(DecoderConfig, DecoderModel, exist_ok=True)
    AutoModelForCausalLM.register(DecoderConfig, DecoderForCausalLM, exist_ok=True)
    AutoModelForSequenceClassification.register(
        DecoderConfig, DecoderForSequenceClassification, exist_ok=True
    )


def decoder_folder(name: str) -> Path:
    """Return the folder of a shipped decoder by its name; any other name is a path."""
    if name in SHIPPED:
        return Path(__file__).parent / "weights" / name
    return Path(name)
