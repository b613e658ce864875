"""Refusal of model files that cannot be used, before they are loaded; each error names the file and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING
from transformers.quantizers.auto import AutoHfQuantizer

from gptaudit.causal_lm.model_files import ADAPTER_CONFIG, TOKENIZER_FILES, ModelFiles, read_settings
from gptaudit.errors import TargetError
from gptaudit.files import read_text

LFS_POINTER = b"version https://git-lfs"
LONGEST_POINTER = 1024

QUANTISERS: Mapping[str, Mapping[str, str]] = {
    "bitsandbytes": {"bitsandbytes": "bitsandbytes"},
    "gptq": {"gptqmodel": "gptqmodel", "optimum": "optimum"},
    "awq": {"gptqmodel": "gptqmodel"},
    "compressed-tensors": {"compressed_tensors": "compressed-tensors"},
    "torchao": {"torchao": "torchao"},
}
"""Method of quantisation -> the modules that transformers needs to load it -> their packages."""
SETTINGS = (
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
    "model.safetensors.index.json",
)
"""Files beside config.json that transformers reads; it passes over some that are broken, and then answers otherwise."""
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
UNNAMED = "an unnamed method"


def refuse_unfit(files: ModelFiles, *, trust_remote_code: bool) -> None:
    """Raise `TargetError` where the files cannot be, or must not be, loaded as a causal language model."""
    for path in [*files.base_files().values(), *files.adapter_files().values()]:
        _refuse_pointer(path)
    if files.adapter is not None and find_spec("peft") is None:
        msg = (
            f"{files.adapter}: {ADAPTER_CONFIG} makes it an adapter, which needs peft: `pip install peft`; or merge it "
            f"into its base model, or remove {ADAPTER_CONFIG} to audit the weights beside it without the adapter"
        )
        raise TargetError(msg)
    if files.gguf:
        if find_spec("gguf") is None:
            msg = f"{files.base}: a GGUF file needs the package gguf: `pip install gguf`; or give the model as a "
            raise TargetError(f"{msg}folder with *.safetensors")
        return
    _require_files(files)
    for name in SETTINGS:
        for folder in {files.folder, files.tokenizer_folder()}:
            if (folder / name).is_file():
                read_settings(folder / name)
    config = files.config()
    _require_layers(files, config)
    _refuse_classifier(files.folder, config)
    if not trust_remote_code:
        _refuse_code(files.folder)
        _require_known_type(files.folder, config)
        _require_tokenizer(files.tokenizer_folder())
    _require_quantiser(files.folder, config)


def refuse_without_rows(tokenizer: Any, model: Any, place: Path) -> None:  # noqa: ANN401
    """Refuse a tokenizer that gives tokens for which the model has no embedding.

    A special token that no prompt has is let pass: text models of the Gemma 3 family are published with one for images,
    without a row. A request whose text spells it fails alone.
    """
    rows = model.get_input_embeddings().weight.shape[0]
    beyond = {token: i for token, i in tokenizer.get_vocab().items() if i >= rows}
    if not beyond:
        return
    special = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    used = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token)
    written = str(tokenizer.chat_template)
    for token, i in sorted(beyond.items(), key=lambda item: item[1]):
        if i not in special or token in used or token in written:
            msg = (
                f"{place}: the tokenizer's ids reach {max(beyond.values())}, and the model has {rows} embeddings: "
                f"{token!r}, with {i}, has none; give the tokenizer that the model was trained with, or save the model "
                "after `resize_token_embeddings(len(tokenizer))`"
            )
            raise TargetError(msg)


def quantisation(config: Mapping[str, Any]) -> str:
    """Return the method with which the weights are quantised; empty where they are not."""
    settings = config.get("quantization_config")
    if not isinstance(settings, dict):
        return ""
    # bitsandbytes wrote no method into its first files.
    early = settings.get("load_in_4bit") or settings.get("load_in_8bit")
    return str(settings.get("quant_method") or ("bitsandbytes" if early else UNNAMED))


def _refuse_pointer(path: Path) -> None:
    if path.stat().st_size > LONGEST_POINTER:
        return
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            msg = f"{path}: a pointer of Git LFS in place of the file; fetch it with `git lfs pull` in its folder"
            raise TargetError(msg)


def _require_files(files: ModelFiles) -> None:
    folder = files.folder
    if not (folder / "config.json").is_file():
        msg = f"{folder}: not a model folder: config.json is missing; save the model with `save_pretrained(FOLDER)`"
        raise TargetError(msg)
    if not files.has_weights():
        pickled = [p.name for suffix in ("bin", "pt", "pth", "ckpt") for p in folder.glob(f"*.{suffix}")]
        found = (
            f"only pickled weights ({', '.join(pickled)}), which could run code when read"
            if pickled
            else "none"
        )
        msg = f"{folder}: expected weights in *.safetensors, found {found}; save the model again with `save_pretrained`"
        raise TargetError(msg)


def _require_layers(files: ModelFiles, config: Mapping[str, Any]) -> None:
    """Refuse more layers than there are weights: transformers would make each of them before it looks."""
    try:
        weights = (path for name, path in files.base_files().items() if name.endswith(".safetensors"))
        tensors = sum(map(_tensors, weights))
    except (OSError, SafetensorError):
        return  # a damaged file is told when it is loaded; others in the folder are not
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    for name, layers in ((name, part.get(name)) for part in parts for name in LAYERS):
        if isinstance(layers, int) and layers > tensors:
            msg = (
                f"{files.folder}: config.json has {name} = {layers}, and the weights are {tensors} tensors; "
                "give the config.json with which the weights were saved"
            )
            raise TargetError(msg)


def _tensors(path: Path) -> int:
    """Count the tensors of a file, of which only the header is read."""
    with safe_open(path, framework="pt") as file:
        return len(file.keys())


def _require_tokenizer(folder: Path) -> None:
    """Refuse a folder without a tokenizer that transformers reads; one with code of its own may bring any file."""
    if any((folder / name).is_file() for name in TOKENIZER_FILES):
        return
    for path in folder.glob("*tiktoken*"):
        msg = (
            f"{path}: a vocabulary of tiktoken, which transformers cannot read by itself; save the tokenizer as "
            "tokenizer.json (transformers.integrations.tiktoken.convert_tiktoken_to_fast), or, where the model comes "
            "with code that reads it and you trust that, add -b trust_remote_code=true"
        )
        raise TargetError(msg)
    msg = f"{folder}: the tokenizer is missing (tokenizer.json); save it beside the model with `save_pretrained`"
    raise TargetError(msg)


def _refuse_classifier(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a classifier; loading it would only fail on weights that do not fit."""
    named = config.get("architectures")
    if any(
        str(name).endswith("ForSequenceClassification") for name in (named if isinstance(named, list) else ())
    ):
        msg = f"{folder}: holds a classifier, which generates no text; give the language model it was trained from"
        raise TargetError(msg)


def _refuse_code(folder: Path) -> None:
    """Refuse a model with its own code; the message of transformers would be several lines long."""
    if '"auto_map"' in read_text(folder / "config.json", error=TargetError):
        msg = f"{folder}: the model comes with Python code; if you trust it, add -b trust_remote_code=true"
        raise TargetError(msg)


def _require_known_type(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        said = f"names the model_type {kind!r}" if kind else "names no model_type"
        msg = (
            f"{folder}: config.json {said}, expected one that transformers {transformers.__version__} knows; "
            "update transformers, or correct config.json"
        )
        raise TargetError(msg)


def _require_quantiser(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a method without its library, and one that transformers does not know and would skip with a warning."""
    method = quantisation(config)
    if not method:
        return
    needed = QUANTISERS.get(method, {})
    missing = " ".join(package for module, package in needed.items() if find_spec(module) is None)
    if missing:
        msg = (
            f"{folder}: the weights are quantised ({method}), which needs {missing.replace(' ', ' and ')}: "
            f"`pip install {missing}`; or give the model in float32, bfloat16 or float16"
        )
        raise TargetError(msg)
    if method == UNNAMED or not AutoHfQuantizer.supports_quant_method(config["quantization_config"]):
        msg = (
            f"{folder}: the weights are quantised ({method}), by no method that transformers "
            f"{transformers.__version__} knows; update transformers, or give the model in float32, bfloat16 or float16"
        )
        raise TargetError(msg)
