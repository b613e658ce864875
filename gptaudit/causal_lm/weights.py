"""From a model's files to its tokenizer and its weights: transformers, with peft where there is an adapter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.causal_lm.backend import pick_device
from gptaudit.causal_lm.model_files import ModelFiles
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.causal_lm.refusals import quantisation
from gptaudit.errors import TargetError, first_line, no_panic

COMPUTED = ("inv_freq", "attn.bias", "attn.masked_bias", "position_ids")
"""Endings of names of buffers that old files contain although the model computes them."""


def load_tokenizer(files: ModelFiles, folder: Path, *, trust_remote_code: bool) -> Any:  # noqa: ANN401
    """Load the tokenizer; `folder` is that of the base model, as `ModelFiles.lent` gives it."""
    its_own = files.tokenizer_folder()
    place: dict[str, Any] = {"gguf_file": files.gguf} if files.gguf and its_own == files.folder else {}
    with no_panic():
        return AutoTokenizer.from_pretrained(
            folder if its_own == files.folder else its_own,
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            **place,
        )


def load_model(files: ModelFiles, folder: Path, options: TorchOptions, *, trust_remote_code: bool) -> Any:  # noqa: ANN401
    """Load the weights, with the adapter's in them; `folder` is that of the base model."""
    loader: Any = AutoModelForCausalLM
    placed: Any = options.device_map or None
    if quantisation(files.config()) and not placed:
        # Quantised layers are made on the device that they stay on.
        placed = {"": pick_device(options.device)}
    model, info = loader.from_pretrained(
        folder,
        dtype=getattr(torch, options.dtype),
        device_map=placed,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
        **_from_gguf(files),
    )
    # transformers fills missing weights with random numbers and drops those that the config does not expect; an audit
    # of either would be worthless.
    _refuse_misfits(
        f"{files.base}: the weights do not fit {'its metadata' if files.gguf else 'config.json'}",
        {
            "missing": info["missing_keys"],
            "of another shape": info["mismatched_keys"],
            "unexpected": [key for key in info["unexpected_keys"] if not key.endswith(COMPUTED)],
        },
    )
    return model if files.adapter is None else _adapted(model, files.adapter, files.base)


def weight_details(files: ModelFiles) -> dict[str, str]:
    """Say in what the weights differ from those of an ordinary folder."""
    found = {}
    if files.gguf:
        found["weights"] = "dequantised from GGUF"
    if method := quantisation(files.config()):
        found["weights"] = f"quantised ({method})"
    if files.adapter is not None:
        found["adapter"] = f"adapter to {files.base}"
    return found


def loading_failed(files: ModelFiles, error: Exception) -> TargetError:
    """Return what a user is told about an error of transformers or of a library beneath it."""
    cause = f"{type(error).__name__}: {first_line(error)}"
    if files.gguf:
        remedy = "give the model as a folder with *.safetensors, or update transformers"
        said = (
            f"cannot be opened as a GGUF file by transformers {transformers.__version__}: {cause}; {remedy}"
        )
    elif method := quantisation(files.config()):
        said = f"the weights are quantised ({method}) and cannot be loaded here: {cause}"
    else:
        said = f"cannot be opened as a causal language model: {cause}"
    return TargetError(f"{files.base}: {said}")


def _from_gguf(files: ModelFiles) -> dict[str, Any]:
    """Return the arguments that load a GGUF file's weights as numbers, and not in the blocks of the file."""
    if not files.gguf:
        return {}
    # Releases of transformers without this class know no other way.
    settings = getattr(transformers, "GgufConfig", None)
    asked = {} if settings is None else {"quantization_config": settings(dequantize=True)}
    return {"gguf_file": files.gguf, **asked}


def _adapted(model: Any, folder: Path, base: Path) -> Any:  # noqa: ANN401
    """Put the layers of an adapter into its base model; refuse weights that do not fit it."""
    peft: Any = import_module("peft")  # not a dependency, so type checkers need not know it
    config = peft.PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning:
        msg = f"{folder}: an adapter of type {config.peft_type.value}, which puts learned vectors before each prompt; "
        raise TargetError(f"{msg}only adapters of layers, such as LoRA, can be audited")
    place = f"{folder}: the adapter does not fit its base model {base}"
    try:
        adapted = peft.PeftModel(model, config)
        read = adapted.load_adapter(str(folder), "default", torch_device=str(model.device))
    except (LookupError, RuntimeError, ValueError) as error:
        # torch names the first weight that does not fit on a line of its own.
        said = " ".join(str(error).split(maxsplit=40)[:40])
        msg = f"{place}: {said}; give the base model that it was trained on"
        raise TargetError(msg) from None
    _refuse_misfits(place, {"missing": read.missing_keys, "unexpected": read.unexpected_keys})
    return adapted.get_base_model()


def _refuse_misfits(place: str, misfits: Mapping[str, Collection[Any]]) -> None:
    for what, keys in misfits.items():
        if keys:
            first = min(str(key) for key in keys)
            msg = f"{place}: {len(keys)} are {what}, such as {first}"
            raise TargetError(msg)
