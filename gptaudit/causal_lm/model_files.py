"""The files of a model: which are loaded, and what they are hashed to. Nothing of them is loaded here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gptaudit.causal_lm.hub_cache import cached_folder
from gptaudit.decoder.planted import PLANTED_FILE
from gptaudit.errors import TargetError
from gptaudit.files import read_text

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model's files are: a folder in Hugging Face format, or a GGUF file in one; maybe an adapter to it."""

    folder: Path
    gguf: str = ""
    """Name of the GGUF file in `folder`; nothing else in the folder is then read."""
    adapter: Path | None = None
    """Folder of an adapter; it may be `folder` itself."""

    @property
    def base(self) -> Path:
        """The path of the model without its adapter, for messages."""
        return self.folder / self.gguf

    def base_files(self) -> dict[str, Path]:
        """Return the files that may be read of the model without its adapter, by their names in the folder.

        `planted.json` is none of them: it describes the model, and no answer depends on it.
        """
        if self.gguf:
            return {self.gguf: self.base}
        beside = self.adapter == self.folder
        return {
            path.relative_to(self.folder).as_posix(): path
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
            and path.name != PLANTED_FILE
            and not (beside and path.name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS))
        }

    def adapter_files(self) -> dict[str, Path]:
        """Return the files that may be read of the adapter, by their names after `adapter/`."""
        if self.adapter is None:
            return {}
        if self.adapter == self.folder:
            found = [self.adapter / name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)]
        else:
            found = sorted(path for path in self.adapter.rglob("*") if path.is_file())
        return {f"adapter/{path.relative_to(self.adapter).as_posix()}": path for path in found}

    def tokenizer_folder(self) -> Path:
        """Return the folder that the tokenizer is read from: the adapter's, where it brings one."""
        if self.adapter is not None and any((self.adapter / name).is_file() for name in TOKENIZER_FILES):
            return self.adapter
        return self.folder

    def config(self) -> Mapping[str, Any]:
        """Return what `config.json` says; a GGUF file has none."""
        return {} if self.gguf else _read_json(self.folder / "config.json")

    @contextmanager
    def lent(self) -> Iterator[Path]:
        """Lend a folder that holds the base model's files alone: transformers reads what else lies beside them."""
        if not self.gguf and self.adapter != self.folder:
            yield self.folder
            return
        with TemporaryDirectory() as name:
            for inside, path in self.base_files().items():
                link = Path(name) / inside
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
            yield Path(name)


def find_model(path: Path) -> ModelFiles:
    """Find the files of a model at a path; raise `TargetError` where they are not those of a model."""
    if path.is_file() and path.suffix == ".gguf":
        return ModelFiles(path.parent, path.name)
    if not path.is_dir():
        msg = f"{path}: no such folder; expected one with config.json, *.safetensors and a tokenizer, or a .gguf file"
        raise TargetError(msg)
    if (path / ADAPTER_CONFIG).is_file():
        return _with_adapter(path)
    return _without_adapter(path)


def _with_adapter(folder: Path) -> ModelFiles:
    """Find an adapter's base model: what lies beside it, or what the adapter names."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        msg = (
            f"{folder}: {ADAPTER_CONFIG} makes it an adapter, and {ADAPTER_WEIGHTS} is missing; save the adapter "
            f"with `save_pretrained`, or remove {ADAPTER_CONFIG} to audit the folder's other weights without it"
        )
        raise TargetError(msg)
    if (folder / "config.json").is_file() and len(list(folder.rglob("*.safetensors"))) > 1:
        return ModelFiles(folder, adapter=folder)
    settings = _read_json(folder / ADAPTER_CONFIG)
    name = str(settings.get("base_model_name_or_path") or "")
    named = Path(name).expanduser()
    base = named if named.is_dir() else cached_folder(name, settings.get("revision") or "main")
    if not name or base is None:
        msg = (
            f"{folder}: an adapter to {name!r}, which is neither a folder nor in the local Hugging Face cache; "
            f"download it (`hf download {name}`), or name its folder as base_model_name_or_path in {ADAPTER_CONFIG}"
        )
        raise TargetError(msg)
    if (base / ADAPTER_CONFIG).is_file():
        msg = f"{folder}: an adapter to {base}, which is an adapter itself; merge that one into its base model first"
        raise TargetError(msg)
    return replace(_without_adapter(base), adapter=folder)


def _without_adapter(folder: Path) -> ModelFiles:
    """Find the weights in a folder: safetensors, or else a single GGUF file."""
    ggufs = sorted(file.name for file in folder.glob("*.gguf"))
    if ggufs and not list(folder.rglob("*.safetensors")):
        if len(ggufs) > 1:
            msg = f"{folder}: holds {len(ggufs)} GGUF files; name one of them, such as hf:{folder / ggufs[0]}"
            raise TargetError(msg)
        return ModelFiles(folder, ggufs[0])
    return ModelFiles(folder)


def digest(files: Mapping[str, Path], settings: str) -> str:
    """Hash settings and the names and contents of files."""
    whole = hashlib.sha256(settings.encode())
    for name, path in files.items():
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"\n{name} {content}".encode())
    return f"sha256:{whole.hexdigest()}"


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(read_text(path, error=TargetError))
    except ValueError as error:
        msg = f"{path}: expected JSON: {error}"
        raise TargetError(msg) from None
    if isinstance(found, dict):
        return found
    msg = f"{path}: expected a JSON object, found {type(found).__name__}"
    raise TargetError(msg)
