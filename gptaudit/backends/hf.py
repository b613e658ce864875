"""`hf:FOLDER_OR_HUB_ID`: any causal language model saved in Hugging Face format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptaudit.backends.protocol import Backend, BackendType
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import TargetError
from gptaudit.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class HuggingFaceOptions(TorchOptions):
    """Options of `hf:`, for `-b KEY=VALUE`."""

    revision: str = "main"
    """Branch, tag or commit of a hub id."""
    download: bool = False
    """Fetch a hub id that the local cache lacks."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model."""


def open_hf(rest: str, options: HuggingFaceOptions) -> Backend:
    """Open a folder, or a hub id that is in the local cache."""
    from gptaudit.causal_lm.loading import load_backend

    return load_backend(_folder(rest, options), options, trust_remote_code=options.trust_remote_code)


def _folder(rest: str, options: HuggingFaceOptions) -> Path:
    path = Path(rest).expanduser()
    is_hub_id = 1 <= rest.count("/") + 1 <= 2 and not rest.startswith((".", "/", "~")) and not path.exists()
    if not is_hub_id:
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        wanted = [
            "*.json",
            "*.safetensors",
            "*.model",
            "*.txt",
            "*.jinja",
            *(["*.py"] * options.trust_remote_code),
        ]
        return Path(
            snapshot_download(
                rest, revision=options.revision, local_files_only=not options.download, allow_patterns=wanted
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError, OSError) as error:
        remedy = f" ({error})" if options.download else "; to fetch it from the hub, add -b download=true"
        msg = f"hf:{rest}: no such folder, and no model of that name in the local Hugging Face cache{remedy}"
    raise TargetError(msg)


@hookimpl
def gptaudit_register_backends(register: Callable[[BackendType], None]) -> None:
    """Register `hf:`."""
    register(
        BackendType(
            "hf", "a model in Hugging Face format, run here", "FOLDER_OR_HUB_ID", HuggingFaceOptions, open_hf
        )
    )
