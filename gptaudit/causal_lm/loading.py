"""Loading of model folders in Hugging Face format, offline and without pickled weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.activations import NewGELUActivation
from transformers.utils import logging

from gptaudit import decoder
from gptaudit.causal_lm.backend import CausalLMBackend, freeze, pick_device
from gptaudit.causal_lm.chat import Chat
from gptaudit.causal_lm.mixed_precision import MixedPrecisionCausalLMBackend
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.decoder.planted import PLANTED_FILE, read_planted
from gptaudit.errors import TargetError, first_line
from gptaudit.files import read_text

COMPUTED = ("inv_freq", "attn.bias", "attn.masked_bias", "position_ids")
"""Endings of names of buffers that old files contain although the model computes them."""


def load_backend(folder: Path, options: TorchOptions, *, trust_remote_code: bool = False) -> CausalLMBackend:
    """Open a folder with config, safetensors weights and tokenizer; raise `TargetError` if it cannot be used."""
    if options.device_map and options.device != "auto":
        msg = f"device={options.device} and device_map={options.device_map}: give one of them"
        raise TargetError(msg)
    if options.precision == "auto" and options.dtype != "float32":
        msg = f"precision=auto gives float32 results; leave dtype={options.dtype} out"
        raise TargetError(msg)
    _require_files(folder)
    _refuse_classifier(folder)
    if not trust_remote_code:
        _refuse_code(folder)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    decoder.register()
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
        chat = _chat(tokenizer, options)
        model = _load_model(folder, options, trust_remote_code=trust_remote_code)
        if not options.device_map:
            model = model.to(pick_device(options.device))
        model = freeze(gather_for_head(turn_weights(fuse_activations(model))))
        _require_causal(model, folder)
        tokenizer.padding_side = "right"
        kind = MixedPrecisionCausalLMBackend if options.precision == "auto" else CausalLMBackend
        return kind(
            model,
            tokenizer,
            fingerprint=fingerprint(folder, options),
            batch_tokens=options.batch_tokens,
            planted=read_planted(folder),
            chat=chat,
        )
    except TargetError:
        raise
    except Exception as error:  # noqa: BLE001 - transformers raises errors of any type for a bad file
        cause = f"{type(error).__name__}: {first_line(error)}"
        msg = f"{folder}: cannot be opened as a causal language model: {cause}"
    raise TargetError(msg)


def fingerprint(folder: Path, options: TorchOptions) -> str:
    """Hash all files of a folder and its subfolders (shards, code), and the options that answers depend on.

    `planted.json` is left out: it describes the model, and no answer depends on it.
    """
    rough = " precision auto" if options.precision == "auto" else ""
    whole = hashlib.sha256(f"{options.dtype}{rough}".encode())
    if options.chat:
        whole.update(f" chat {options.system}".encode())
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != PLANTED_FILE)
    for path in files:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"\n{path.relative_to(folder).as_posix()} {digest}".encode())
    return f"sha256:{whole.hexdigest()}"


def _chat(tokenizer: Any, options: TorchOptions) -> Chat | None:  # noqa: ANN401
    if options.system and not options.chat:
        msg = "system: a system message needs the chat template; add chat=true"
        raise TargetError(msg)
    return Chat(tokenizer, options.system) if options.chat else None


def _require_files(folder: Path) -> None:
    if not folder.is_dir():
        msg = f"{folder}: no such folder; expected one with config.json, *.safetensors and a tokenizer"
        raise TargetError(msg)
    if not (folder / "config.json").is_file():
        msg = f"{folder}: not a model folder: config.json is missing; save the model with `save_pretrained(FOLDER)`"
        raise TargetError(msg)
    if not list(folder.rglob("*.safetensors")):
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


def _refuse_classifier(folder: Path) -> None:
    """Refuse a classifier; loading it would only fail on weights that do not fit."""
    if 'ForSequenceClassification"' in read_text(folder / "config.json", error=TargetError):
        msg = f"{folder}: holds a classifier, which generates no text; give the language model it was trained from"
        raise TargetError(msg)


def _refuse_code(folder: Path) -> None:
    """Refuse a model with its own code; the message of transformers would be several lines long."""
    if '"auto_map"' in read_text(folder / "config.json", error=TargetError):
        msg = f"{folder}: the model comes with Python code; if you trust it, add -b trust_remote_code=true"
        raise TargetError(msg)


def _load_model(folder: Path, options: TorchOptions, *, trust_remote_code: bool) -> Any:  # noqa: ANN401
    loader: Any = AutoModelForCausalLM
    model, info = loader.from_pretrained(
        folder,
        dtype=getattr(torch, options.dtype),
        device_map=options.device_map or None,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        output_loading_info=True,
    )
    # transformers fills missing weights with random numbers and drops those that the config does not expect; an audit
    # of either would be worthless.
    misfits = {
        "missing": info["missing_keys"],
        "of another shape": info["mismatched_keys"],
        "unexpected": [key for key in info["unexpected_keys"] if not key.endswith(COMPUTED)],
    }
    for what, keys in misfits.items():
        if keys:
            first = min(str(key) for key in keys)
            msg = f"{folder}: the weights do not fit config.json: {len(keys)} are {what}, such as {first}"
            raise TargetError(msg)
    return model


def fuse_activations(model: Any) -> Any:  # noqa: ANN401
    """Replace GPT-2's GELU, written as eight operations, by torch's fused one of the same formula.

    The results differ by rounding; a layer of GPT-2 is 5 % faster on a CPU.
    """
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(module, name, nn.GELU(approximate="tanh"))
    return model


def turn_weights(model: Any) -> Any:  # noqa: ANN401
    """Store the weights of linear layers transposed in memory, input by input, as GPT-2's `Conv1D` does.

    In float32 on a CPU, a step of one row is up to 1.5 times as fast, and steps of more rows take the same time;
    bfloat16 would be slower. The vocabulary head is not changed: it may share its weights with the table of
    embeddings, whose rows are looked up.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not model.get_output_embeddings():
            weight = module.weight.data
            if weight.dtype == torch.float32 and weight.device.type == "cpu":
                module.weight.data = weight.t().contiguous().t()
    return model


def gather_for_head(model: Any) -> Any:  # noqa: ANN401
    """Make the input of the vocabulary head contiguous.

    The last tokens of many prompts are a strided slice, for each row of which torch reads all the weights of the head
    again; with a contiguous input, reading short prompts is a third faster.
    """
    head = model.get_output_embeddings()
    if head is not None:
        head.register_forward_pre_hook(lambda _, inputs: tuple(given.contiguous() for given in inputs))
    return model


@torch.inference_mode()
def _require_causal(model: Any, folder: Path) -> None:  # noqa: ANN401
    """Refuse a model whose predictions depend on later tokens: transformers loads encoders as causal models too."""
    ids = torch.arange(1, 9, device=model.device)[None] % model.config.get_text_config().vocab_size
    changed = ids.clone()
    changed[0, -1] = 0
    before, after = (model(input_ids=i, use_cache=False).logits[0, :-1].float() for i in (ids, changed))
    if not torch.allclose(before, after, rtol=1e-2, atol=1e-2, equal_nan=True):
        msg = f"{folder}: not a causal language model: its predictions depend on later tokens"
        raise TargetError(msg)
