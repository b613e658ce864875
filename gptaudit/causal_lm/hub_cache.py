"""Models in the local Hugging Face cache, found without asking the hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError


def cached_folder(hub_id: str, revision: str) -> Path | None:
    """Return the folder of a model or an adapter that was downloaded before; huggingface_hub would call its server."""
    try:
        paths = [
            try_to_load_from_cache(hub_id, name, revision=revision)
            for name in ("config.json", "adapter_config.json")
        ]
    except HFValidationError:
        return None
    return next((Path(path).parent for path in paths if isinstance(path, str)), None)
