"""Description of a decoder folder: size, cost, memory, training, and planted flaws."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gptaudit.decoder import register
from gptaudit.decoder.folders import CLASSIFIER, read_config
from gptaudit.decoder.planted import read_planted
from gptaudit.decoder.work_folder import RECORD
from gptaudit.errors import UsageError, first_line
from gptaudit.files import read_object

if TYPE_CHECKING:
    from pathlib import Path

TRAINING_BYTES = 16
"""Bytes per parameter in training: weight, gradient and AdamW's two moments, 32 bits each."""

SHAPE = (
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "positions",
    "activation",
    "norm",
    "dropout",
    "tie_word_embeddings",
)


def describe(folder: Path) -> dict[str, Any]:
    """Describe a decoder without reading its weights; plain data, as `decoder info --json` prints it.

    ```python
    describe(decoder_folder("reference"))["parameters"]["total"]   # 1006336
    ```

    Raises:
        UsageError, TargetError: the folder contains no decoder, or one of its files is malformed.
    """
    read_config(folder)
    model, tokenizer = _skeleton(folder)
    training_record = _read_training(folder)
    config = model.config
    forward, training = flops_per_token(model)
    size = model.dtype.itemsize
    parameters = model.num_parameters()
    cache = 2 * config.num_hidden_layers * config.hidden_size * size
    return {
        "schema": "gptaudit.decoder/1",
        "folder": str(folder),
        "kind": type(model).__name__,
        "parameters": {"total": parameters, "non_embedding": parameters - _embedding_parameters(model)},
        "dtype": str(model.dtype).removeprefix("torch."),
        "shape": {name: getattr(config, name) for name in SHAPE},
        "labels": [config.id2label[i] for i in range(config.num_labels)] if hasattr(model, "score") else None,
        "tokenizer": {
            "tokens": len(tokenizer),
            "start": tokenizer.bos_token,
            "end": tokenizer.eos_token,
            "padding": tokenizer.pad_token,
            "chat_template": tokenizer.chat_template is not None,
        },
        "flops_per_token": {"forward": forward, "training": training},
        "bytes": {
            "weights": parameters * size,
            "cache_per_token": cache,
            "cache_of_context": cache * config.max_position_embeddings,
            "training_without_activations": parameters * TRAINING_BYTES,
        },
        "training": training_record,
        "planted": [asdict(flaw) for flaw in read_planted(folder)],
        "planted_in_base": _planted_in_base(training_record),
    }


def known_flaws(folder: Path) -> list[dict[str, Any]]:
    """List the flaws planted in a decoder, or else in the one it was fine-tuned from."""
    planted = [asdict(flaw) for flaw in read_planted(folder)]
    return planted or _planted_in_base(_read_training(folder))


def _planted_in_base(training: dict[str, Any] | None) -> list[dict[str, Any]]:
    """List the flaws planted in the base decoder; fine-tuning may have changed their size."""
    return list((training or {}).get("base_planted") or [])


def flops_per_token(model: Any) -> tuple[int, int]:  # noqa: ANN401
    """Count floating-point operations per token at full context: of a forward pass, and of training.

    Forward: two per weight of a matrix (Kaplan et al. 2020, section 2.1), including the vocabulary head (Hoffmann et
    al. 2022, appendix F), plus 2 * layers * context * width for attention, where a token sees half of the context on
    average. The backward pass takes twice as many. Norms, biases and activations are ignored, as in both papers.
    """
    from torch import nn

    config = model.config
    matrices = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
    attention = 2 * config.num_hidden_layers * config.max_position_embeddings * config.hidden_size
    forward = 2 * matrices + attention
    return forward, 3 * forward


def _skeleton(folder: Path) -> tuple[Any, Any]:
    """Build the model without memory for its weights (on the meta device), and load its tokenizer."""
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from gptaudit.decoder.classifier import DecoderForSequenceClassification
    from gptaudit.decoder.model import DecoderForCausalLM

    register()
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        classifies = CLASSIFIER in (config.architectures or [])
        kind: Any = DecoderForSequenceClassification if classifies else DecoderForCausalLM
        with torch.device("meta"):
            return kind(config).to(config.dtype or torch.float32), tokenizer
    except Exception as error:  # noqa: BLE001 - the loaders of transformers raise all kinds of errors for a bad file
        msg = f"{folder}: cannot be opened: {type(error).__name__}: {first_line(error)}"
    raise UsageError(msg)


def _embedding_parameters(model: Any) -> int:  # noqa: ANN401
    """Count the parameters of token and position embeddings and, if untied, of the vocabulary head."""
    from torch import nn

    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    head = model.get_output_embeddings()
    if head is not None and not model.config.tie_word_embeddings:
        tables.append(head.weight)
    return sum(table.numel() for table in tables)


def _read_training(folder: Path) -> dict[str, Any] | None:
    """Read `training.json`; None if there is none. Raises `UsageError` if it is malformed."""
    path = folder / RECORD
    if not path.is_file():
        return None
    return read_object(path, error=UsageError, remedy="train again, or remove the file")
