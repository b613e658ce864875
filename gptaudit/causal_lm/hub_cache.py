"""Models in the local Hugging Face cache, found without asking the hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError


def cached_folder(hub_id: str, revision: str) -> Path | None:
    """Return the folder of a model or an adapter that was downloaded before; huggingface_hub would call its server."""
    files = (cached_file(hub_id, name, revision) for name in ("config.json", "adapter_config.json"))
    return next((file.parent for file in files if file), None)


def cached_file(hub_id: str, name: str, revision: str = "main") -> Path | None:
    """Return a file of a repository that was downloaded before."""
    try:
        path = try_to_load_from_cache(hub_id, name, revision=revision)
    except HFValidationError:
        return None
    return Path(path) if isinstance(path, str) else None  # else None, or a mark that there is no such file
