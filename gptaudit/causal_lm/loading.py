"""Opening of models on this machine, offline and without pickled weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.activations import NewGELUActivation
from transformers.utils import logging

from gptaudit import decoder
from gptaudit.causal_lm.backend import CausalLMBackend, TokenAttributor, freeze, pick_device
from gptaudit.causal_lm.chat import Chat
from gptaudit.causal_lm.folder_files import digest, stamps
from gptaudit.causal_lm.loaded_model import loaded_digest
from gptaudit.causal_lm.mixed_precision import MixedPrecisionCausalLMBackend
from gptaudit.causal_lm.model_files import find_model
from gptaudit.causal_lm.options import ChatTemplateOptions, TorchOptions
from gptaudit.causal_lm.refusals import quantisation, refuse_unfit, refuse_without_rows
from gptaudit.causal_lm.weights import load_model, load_tokenizer, loading_failed, weight_details
from gptaudit.decoder.planted import read_planted
from gptaudit.errors import TargetError, first_line


def load_backend(
    path: Path,
    options: TorchOptions,
    attributor: Callable[..., TokenAttributor] | None = None,
    *,
    trust_remote_code: bool = False,
) -> CausalLMBackend:
    """Open a folder with config, safetensors weights and tokenizer, an adapter's folder, or a GGUF file.

    Without an `attributor`, the model cannot explain its tokens.

    Raises `TargetError` if it cannot be used.
    """
    _refuse_contradictions(options)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    decoder.register()
    files = find_model(path, follow_links=options.follow_links)
    refuse_unfit(files, trust_remote_code=trust_remote_code)
    read = {
        **files.base_files(),
        **files.adapter_files(),
        **(files.code_files() if trust_remote_code else {}),
    }
    quantised = bool(quantisation(files.config()))
    if quantised and options.precision == "auto":
        msg = f"{files.base}: precision=auto needs weights in float32, and these are quantised; leave precision out"
        raise TargetError(msg)
    begun = stamps(read)
    try:
        with files.lent() as folder:
            tokenizer = load_tokenizer(files, folder, trust_remote_code=trust_remote_code)
            chat = _chat(tokenizer, options, str(files.base))
            model = load_model(files, folder, options, trust_remote_code=trust_remote_code)
        refuse_without_rows(tokenizer, model, files.base)
        if not quantised:
            model = turn_weights(model if options.device_map else model.to(pick_device(options.device)))
        model = freeze(gather_for_head(fuse_activations(model)))
        _require_causal(model, str(path))
        fingerprint = digest(read, _settings(options, chat))
        _require_unchanged(begun, stamps(read), path)
        tokenizer.padding_side = "right"
        kind = MixedPrecisionCausalLMBackend if options.precision == "auto" else CausalLMBackend
        return kind(
            model,
            tokenizer,
            fingerprint=fingerprint,
            batch_tokens=options.batch_tokens,
            planted=read_planted(path),
            chat=chat,
            details=weight_details(files),
            attributor=attributor,
        )
    except TargetError:
        raise
    except Exception as error:  # noqa: BLE001 - transformers raises errors of any type for a bad file
        raise loading_failed(files, error) from None


def borrowed_backend(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    options: ChatTemplateOptions,
    *,
    attributor: Callable[..., TokenAttributor],
) -> CausalLMBackend:
    """Take a model that the caller has loaded and frozen, as it is: nothing in it is changed, and it is not moved.

    Raises `TargetError` if it is no causal language model, or an option asks for what its tokenizer does not have.
    """
    _refuse_without_chat(options)
    place = type(model).__name__
    chat = _chat(tokenizer, options, place)
    try:
        _require_causal(model, place)
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        msg = (
            f"{place}: no causal language model of transformers: {type(error).__name__}: {first_line(error)}"
        )
        raise TargetError(msg) from None
    tokenizer.padding_side = "right"
    return CausalLMBackend(
        model,
        tokenizer,
        fingerprint=loaded_digest(model, tokenizer, chat.identity if chat else ""),
        batch_tokens=options.batch_tokens,
        chat=chat,
        attributor=attributor,
    )


def _require_unchanged(before: Mapping[str, object], after: Mapping[str, object], path: Path) -> None:
    """Refuse a model whose files were written while it was loaded: its fingerprint may be of others."""
    changed = [name for name, stamp in before.items() if stamp != after[name]]
    if changed:
        msg = f"{path}: {changed[0]} changed while the model was loaded; run again when nothing writes there"
        raise TargetError(msg)


def _settings(options: TorchOptions, chat: Chat | None) -> str:
    """Write what answers depend on beside the files."""
    rough = " precision auto" if options.precision == "auto" else ""
    return f"{options.dtype}{rough}" + (f" chat {chat.identity}" if chat else "")


def _refuse_contradictions(options: TorchOptions) -> None:
    if options.device_map and options.device != "auto":
        msg = f"device={options.device} and device_map={options.device_map}: give one of them"
        raise TargetError(msg)
    if options.precision == "auto" and options.dtype != "float32":
        msg = f"precision=auto gives float32 results; leave dtype={options.dtype} out"
        raise TargetError(msg)
    _refuse_without_chat(options)


def _refuse_without_chat(options: ChatTemplateOptions) -> None:
    """Refuse options of the chat template where there is none."""
    if options.chat:
        return
    for name in ("system", "fold_system", "date", "template", "think_end"):
        if getattr(options, name):
            msg = f"{name}: needs the chat template; add chat=true, or leave {name} out"
            raise TargetError(msg)


def _chat(tokenizer: Any, options: ChatTemplateOptions, place: str) -> Chat | None:  # noqa: ANN401
    if not options.chat:
        return None
    try:
        return Chat(
            tokenizer,
            options.system,
            fold_system=options.fold_system,
            date=options.date,
            template=options.template,
            think_end=options.think_end,
        )
    except TargetError as error:
        msg = f"{place}: {error}"
        raise TargetError(msg) from None


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
def _require_causal(model: Any, place: str) -> None:  # noqa: ANN401
    """Refuse a model whose predictions depend on later tokens: transformers loads encoders as causal models too."""
    ids = torch.arange(1, 9, device=model.device)[None] % model.config.get_text_config().vocab_size
    changed = ids.clone()
    changed[0, -1] = 0
    before, after = (model(input_ids=i, use_cache=False).logits[0, :-1].float() for i in (ids, changed))
    if not torch.allclose(before, after, rtol=1e-2, atol=1e-2, equal_nan=True):
        msg = f"{place}: not a causal language model: its predictions depend on later tokens"
        raise TargetError(msg)
