"""The files of a model: which are loaded. Nothing of them is loaded here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gptaudit.causal_lm.folder_files import folder_files
from gptaudit.causal_lm.hub_cache import cached_file, cached_folder
from gptaudit.decoder.planted import PLANTED_FILE
from gptaudit.errors import TargetError
from gptaudit.files import read_object, user_path

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
    follow_links: bool = False
    """Whether files may lie outside these folders, where links or the index of the weights lead."""

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
        left_out = {PLANTED_FILE, *((ADAPTER_CONFIG, ADAPTER_WEIGHTS) if self.adapter == self.folder else ())}
        found = self._listed(self.folder)
        return {name: path for name, path in found.items() if path.name not in left_out}

    def adapter_files(self) -> dict[str, Path]:
        """Return the files that may be read of the adapter, by their names after `adapter/`."""
        if self.adapter is None:
            return {}
        found = self._listed(self.adapter)
        if self.adapter == self.folder:
            found = {name: found[name] for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS)}
        return {f"adapter/{name}": path for name, path in found.items()}

    def code_files(self) -> dict[str, Path]:
        """Return the Python files of other repositories that the model's files name, by `code/REPOSITORY/NAME`.

        They are read from the local Hugging Face cache; code in the model's own folder is among `base_files`.
        """
        found: dict[str, Path] = {}
        for config in (path for name, path in self.base_files().items() if name.endswith("config.json")):
            for repository, module in _foreign_code(read_settings(config).get("auto_map")):
                if file := cached_file(repository, f"{module}.py"):
                    code = sorted(file.parent.rglob("*.py"))
                    inside = {path.relative_to(file.parent).as_posix(): path for path in code}
                    found |= {f"code/{repository}/{name}": path for name, path in inside.items()}
        return found

    def has_weights(self) -> bool:
        """Return whether the model's weights are in safetensors."""
        return any(name.endswith(".safetensors") for name in self.base_files())

    def _listed(self, folder: Path) -> dict[str, Path]:
        return folder_files(folder, follow_links=self.follow_links, error=TargetError)

    def tokenizer_folder(self) -> Path:
        """Return the folder that the tokenizer is read from: the adapter's, where it brings one."""
        if self.adapter is not None and any((self.adapter / name).is_file() for name in TOKENIZER_FILES):
            return self.adapter
        return self.folder

    def config(self) -> Mapping[str, Any]:
        """Return what `config.json` says; a GGUF file has none."""
        return {} if self.gguf else read_settings(self.folder / "config.json")

    @contextmanager
    def lent(self) -> Iterator[Path]:
        """Lend a folder that holds the base model's files alone: transformers reads what else lies beside them."""
        if not self.gguf and self.adapter != self.folder:
            yield self.folder
            return
        with TemporaryDirectory() as name:
            for inside, path in self.base_files().items():
                link = Path(name) / inside
                if not Path(os.path.normpath(link)).is_relative_to(name):
                    msg = f"{self.folder}: holds an adapter, and weights of its base model lie outside it ({inside}); "
                    raise TargetError(f"{msg}move the adapter into a folder of its own")
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
            yield Path(name)


def find_model(path: Path, *, follow_links: bool = False) -> ModelFiles:
    """Find the files of a model at a path; raise `TargetError` where they are not those of a model.

    With `follow_links` they may lie outside the folder, where links and the index of the weights lead.
    """
    if path.is_file() and path.suffix == ".gguf":
        return ModelFiles(path.parent, path.name)
    if not path.is_dir():
        msg = f"{path}: no such folder; expected one with config.json, *.safetensors and a tokenizer, or a .gguf file"
        raise TargetError(msg)
    if (path / ADAPTER_CONFIG).is_file():
        return _with_adapter(path, follow_links=follow_links)
    return _without_adapter(path, follow_links=follow_links)


def _with_adapter(folder: Path, *, follow_links: bool) -> ModelFiles:
    """Find an adapter's base model: what lies beside it, or what the adapter names."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        msg = (
            f"{folder}: {ADAPTER_CONFIG} makes it an adapter, and {ADAPTER_WEIGHTS} is missing; save the adapter "
            f"with `save_pretrained`, or remove {ADAPTER_CONFIG} to audit the folder's other weights without it"
        )
        raise TargetError(msg)
    beside = ModelFiles(folder, adapter=folder, follow_links=follow_links)
    if (folder / "config.json").is_file() and beside.has_weights():
        return beside
    settings = read_settings(folder / ADAPTER_CONFIG)
    name = str(settings.get("base_model_name_or_path") or "")
    named = user_path(name, error=TargetError)
    base = named if named.is_dir() else cached_folder(name, str(settings.get("revision") or "main"))
    if not name or base is None:
        msg = (
            f"{folder}: an adapter to {name!r}, which is neither a folder nor in the local Hugging Face cache; "
            f"download it (`hf download {name}`), or name its folder as base_model_name_or_path in {ADAPTER_CONFIG}"
        )
        raise TargetError(msg)
    if (base / ADAPTER_CONFIG).is_file():
        msg = f"{folder}: an adapter to {base}, which is an adapter itself; merge that one into its base model first"
        raise TargetError(msg)
    return replace(_without_adapter(base, follow_links=follow_links), adapter=folder)


def _without_adapter(folder: Path, *, follow_links: bool) -> ModelFiles:
    """Find the weights in a folder: safetensors, or else a single GGUF file."""
    found = ModelFiles(folder, follow_links=follow_links)
    if found.has_weights():
        return found
    ggufs = [name for name in found.base_files() if name.endswith(".gguf") and "/" not in name]
    if len(ggufs) > 1:
        msg = f"{folder}: holds {len(ggufs)} GGUF files; name one of them, such as hf:{folder / ggufs[0]}"
        raise TargetError(msg)
    return replace(found, gguf=ggufs[0]) if ggufs else found


def _foreign_code(auto_map: object) -> Iterator[tuple[str, str]]:
    """Yield the repository and the module of each class of `auto_map` that another repository defines.

    Such a class is written `REPOSITORY--MODULE.CLASS`.
    """
    entries = (
        auto_map.values() if isinstance(auto_map, dict) else auto_map if isinstance(auto_map, list) else ()
    )
    for entry in entries:
        for name in entry if isinstance(entry, list) else [entry]:
            repository, dashes, place = str(name).partition("--")
            if dashes:
                yield repository, place.rpartition(".")[0]


def read_settings(path: Path) -> dict[str, Any]:
    """Read a file that transformers wrote, which may hold `Infinity` for a limit that there is not."""
    return read_object(
        path, error=TargetError, remedy="save the model again with `save_pretrained`", finite=False
    )
