"""`hf:FOLDER_OR_HUB_ID`, `hf:FILE.gguf`: any causal language model that transformers reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import TargetError
from gptaudit.files import user_path
from gptaudit.markers import hookimpl
from gptaudit.protocols.backend import Backend, BackendType

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class HuggingFaceOptions(TorchOptions):
    """Options of `hf:`, for `-b KEY=VALUE`."""

    revision: str = "main"
    """Branch, tag or commit of a Hugging Face model."""
    download: bool = False
    """Download a hub id that is not in the local cache."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


def open_hf(rest: str, options: HuggingFaceOptions) -> Backend:
    """Open a folder, a GGUF file, or a hub id that is in the local cache."""
    from gptaudit.attribution.attributor import Attributor
    from gptaudit.causal_lm.loading import load_backend

    folder = _folder(rest, options)
    return load_backend(folder, options, Attributor, trust_remote_code=options.trust_remote_code)


def _folder(rest: str, options: HuggingFaceOptions) -> Path:
    path = user_path(rest, error=TargetError)
    if path.exists() or rest.startswith((".", "/", "~")) or rest.endswith(".gguf") or rest.count("/") > 1:
        return path
    return _downloaded(rest, options) if options.download else _cached(rest, options.revision)


def _cached(hub_id: str, revision: str) -> Path:
    from gptaudit.causal_lm.hub_cache import cached_folder

    folder = cached_folder(hub_id, revision)
    if folder is not None:
        return folder
    msg = f"hf:{hub_id}: no such folder, and no model of that name in the local Hugging Face cache; "
    raise TargetError(f"{msg}to download it from the hub, add -b download=true")


def _downloaded(hub_id: str, options: HuggingFaceOptions) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    code = ["*.py"] if options.trust_remote_code else []
    wanted = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", *code]
    try:
        return Path(snapshot_download(hub_id, revision=options.revision, allow_patterns=wanted))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        msg = f"hf:{hub_id}: could not be downloaded: {error}"
    raise TargetError(msg)


@hookimpl
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Register `hf:`."""
    register(
        BackendType(
            "hf",
            "a model in Hugging Face format or a GGUF file, run here",
            "FOLDER_OR_HUB_ID",
            HuggingFaceOptions,
            open_hf,
        )
    )
