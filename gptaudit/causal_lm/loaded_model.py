"""The identity of a model in memory, whose files are not known: a hash of all that decides its answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch


def loaded_digest(model: Any, tokenizer: Any, settings: str) -> str:  # noqa: ANN401 - transformers has no typed base
    """Hash the configuration, the weights with their names and types, the tokenizer, and settings."""
    whole = hashlib.sha256(settings.encode())
    whole.update(json.dumps(_without_path(model.config.to_dict()), sort_keys=True, default=str).encode())
    for name, weight in model.state_dict().items():
        whole.update(f"\n{name} {weight.dtype} {tuple(weight.shape)}".encode())
        whole.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    fast = getattr(tokenizer, "backend_tokenizer", None)
    text = fast.to_str() if fast is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    whole.update(f"\n{text}\n{tokenizer.special_tokens_map}\n{tokenizer.chat_template}".encode())
    return f"sha256:{whole.hexdigest()}"


def _without_path(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out where a configuration was read from."""
    return {key: value for key, value in config.items() if key != "_name_or_path"}
