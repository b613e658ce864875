"""Opening a model folder in Hugging Face format, safely."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from gptaudit import decoder
from gptaudit.causal_lm.backend import CausalLMBackend, freeze, pick_device
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import TargetError
from gptaudit.records import PlantedFlaw
from gptaudit.validation import read_text, validated

PLANTED_FILE = "planted.json"


def load_backend(folder: Path, options: TorchOptions, *, trust_remote_code: bool = False) -> CausalLMBackend:
    """Open a folder with config, safetensors weights and tokenizer; raise `TargetError` saying what is amiss."""
    _require_files(folder)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    decoder.register()
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
        model = _load_model(folder, options, trust_remote_code=trust_remote_code)
        device = pick_device(options.device)
        model = freeze(model.to(device))
        tokenizer.padding_side = "right"
        return CausalLMBackend(
            model,
            tokenizer,
            fingerprint=fingerprint(folder, options.dtype),
            batch_tokens=options.batch_tokens,
            planted=_read_planted(folder),
        )
    except TargetError:
        raise
    except Exception as error:  # noqa: BLE001 - the loaders of transformers raise whatever they meet in a bad file
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        msg = f"{folder}: cannot be opened as a causal language model: {type(error).__name__}: {first_line}"
    raise TargetError(msg)


def fingerprint(folder: Path, dtype: str) -> str:
    """Hash the weights, config and tokenizer of a folder, and the dtype they are run in."""
    whole = hashlib.sha256(dtype.encode())
    for path in sorted(folder.iterdir()):
        if path.name == PLANTED_FILE or path.suffix not in {
            ".json",
            ".safetensors",
            ".model",
            ".txt",
            ".jinja",
            ".py",
        }:
            continue
        with path.open("rb") as file:
            whole.update(f"\n{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return f"sha256:{whole.hexdigest()}"


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        msg = f"{folder}: no such folder; expected one with config.json, *.safetensors and a tokenizer"
        raise TargetError(msg)
    if not (folder / "config.json").is_file():
        msg = f"{folder}: not a model folder: config.json is missing; save the model with `save_pretrained(FOLDER)`"
        raise TargetError(msg)
    if not list(folder.glob("*.safetensors")):
        pickled = [p.name for suffix in ("bin", "pt", "pth", "ckpt") for p in folder.glob(f"*.{suffix}")]
        found = (
            f"only pickled weights ({', '.join(pickled)}), which could run code when read"
            if pickled
            else "none"
        )
        msg = f"{folder}: expected weights in *.safetensors, found {found}; save the model again with `save_pretrained`"
        raise TargetError(msg)
    if not any(
        (folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
    ):
        msg = f"{folder}: the tokenizer is missing (tokenizer.json); save it beside the model with `save_pretrained`"
        raise TargetError(msg)


def _load_model(folder: Path, options: TorchOptions, *, trust_remote_code: bool) -> Any:  # noqa: ANN401
    loader: Any = AutoModelForCausalLM
    model, info = loader.from_pretrained(
        folder,
        dtype=getattr(torch, options.dtype),
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
    )
    # transformers fills what the file lacks with random numbers; an audit of those would be worthless.
    lacking = sorted({*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])})
    if lacking:
        amiss = f"{len(lacking)} missing or of another shape, {lacking[0]} first"
        msg = f"{folder}: the weights do not fit config.json: {amiss}"
        raise TargetError(msg)
    return model


def _read_planted(folder: Path) -> tuple[PlantedFlaw, ...]:
    path = folder / PLANTED_FILE
    if not path.is_file():
        return ()
    try:
        flaws = json.loads(read_text(path, error=TargetError))["flaws"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path}: expected JSON with a list `flaws`: {error}"
        raise TargetError(msg) from None
    return validated(tuple[PlantedFlaw, ...], flaws, where=str(path), error=TargetError)
