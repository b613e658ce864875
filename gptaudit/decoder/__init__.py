"""The bundled decoder: a small GPT that trains in minutes, and the two that ship with the package.

Importing this package is light; torch and transformers are loaded by the functions that need them.
"""

from __future__ import annotations

from pathlib import Path

SHIPPED = ("reference", "clean")


def register() -> None:
    """Make the Auto classes of `transformers` know the decoder; twice is harmless."""
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
    """Folder of a decoder: a shipped one by its name; anything else is taken for a path."""
    if name in SHIPPED:
        return Path(__file__).parent / "weights" / name
    return Path(name)
