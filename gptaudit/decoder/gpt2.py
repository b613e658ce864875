"""Convert GPT-2 of `transformers` to the bundled decoder and back: same logits, other weight names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from gptaudit.decoder.folders import load, make_folder
from gptaudit.decoder.planted import PLANTED_FILE
from gptaudit.decoder.work_folder import room_for
from gptaudit.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

NAMES = {
    "transformer.wte.": "model.token_embedding.",
    "transformer.wpe.": "model.position_embedding.",
    "transformer.h.": "model.blocks.",
    "transformer.ln_f.": "model.norm.",
    ".ln_1.": ".attention_norm.",
    ".attn.c_attn.": ".attention.qkv.",
    ".attn.c_proj.": ".attention.output.",
    ".ln_2.": ".feed_forward_norm.",
    ".mlp.c_fc.": ".feed_forward.input.",
    ".mlp.c_proj.": ".feed_forward.output.",
}
"""Part of a weight's name in GPT-2, and in the decoder."""

LINEAR = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")
"""Weights that GPT-2 stores transposed."""

ACTIVATIONS = {"gelu": "gelu_new", "relu": "relu"}
"""Name in the decoder, and in GPT-2."""


def import_gpt2(folder: Path, out: Path) -> Any:  # noqa: ANN401 - a DecoderForCausalLM, whose import is heavy
    """Convert the GPT-2 in `folder` to a decoder with the same logits; write it with its tokenizer and return it.

    Non-standard attention scaling is folded into the query weights. GPT-2 has three dropout rates, which do not
    affect its logits; the decoder gets that of the residual stream.

    Raises:
        UsageError: not a GPT-2 folder, a setting that the decoder does not support, or `out` is not empty.
    """
    gpt2, tokenizer = load(folder, "gpt2")
    theirs = gpt2.config
    activation = _decoder_activation(folder, theirs.activation_function)
    if theirs.add_cross_attention:
        msg = f"{folder / 'config.json'}: add_cross_attention=true: the decoder has none; give a GPT-2 without it"
        raise UsageError(msg)

    from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM

    config = DecoderConfig(
        vocab_size=theirs.vocab_size,
        hidden_size=theirs.n_embd,
        num_hidden_layers=theirs.n_layer,
        num_attention_heads=theirs.n_head,
        intermediate_size=theirs.n_inner or 4 * theirs.n_embd,
        max_position_embeddings=theirs.n_positions,
        activation=activation,
        dropout=theirs.resid_pdrop,
        layer_norm_eps=theirs.layer_norm_epsilon,
        initializer_range=theirs.initializer_range,
        tie_word_embeddings=theirs.tie_word_embeddings,
        bos_token_id=theirs.bos_token_id,
        eos_token_id=theirs.eos_token_id,
        pad_token_id=theirs.pad_token_id,
    )
    model = DecoderForCausalLM(config).to(gpt2.dtype).eval()
    model.load_state_dict({_renamed(name): _turned(name, w) for name, w in gpt2.state_dict().items()})
    _fold_scales(model, theirs)
    model.generation_config = gpt2.generation_config
    _save(model, tokenizer, folder, out)
    return model


def export_gpt2(folder: Path, out: Path) -> Any:  # noqa: ANN401 - a GPT2LMHeadModel, whose import is heavy
    """Convert the decoder in `folder` to a GPT-2 with the same logits; write it with its tokenizer and return it.

    `transformers` loads it without gptaudit.

    Raises:
        UsageError: GPT-2 does not support the decoder's shape, or `out` is not empty.
    """
    model, tokenizer = load(folder)
    ours = model.config
    for setting, allowed in {
        "positions": ("learned",),
        "activation": tuple(ACTIVATIONS),
        "norm": ("pre",),
    }.items():
        if getattr(ours, setting) not in allowed:
            msg = (
                f"{folder}: {setting}={getattr(ours, setting)!r}: GPT-2 supports only {' and '.join(allowed)}, "
                "so this decoder cannot be exported"
            )
            raise UsageError(msg)

    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=ours.vocab_size,
        n_embd=ours.hidden_size,
        n_layer=ours.num_hidden_layers,
        n_head=ours.num_attention_heads,
        n_inner=ours.intermediate_size,
        n_positions=ours.max_position_embeddings,
        activation_function=ACTIVATIONS[ours.activation],
        resid_pdrop=ours.dropout,
        embd_pdrop=ours.dropout,
        attn_pdrop=ours.dropout,
        layer_norm_epsilon=ours.layer_norm_eps,
        initializer_range=ours.initializer_range,
        tie_word_embeddings=ours.tie_word_embeddings,
        bos_token_id=ours.bos_token_id,
        eos_token_id=ours.eos_token_id,
        pad_token_id=ours.pad_token_id,
    )
    gpt2 = GPT2LMHeadModel(config).to(model.dtype).eval()
    weights = model.state_dict()
    gpt2.load_state_dict({name: _turned(name, weights[_renamed(name)]) for name in gpt2.state_dict()})
    gpt2.generation_config = model.generation_config
    _save(gpt2, tokenizer, folder, out)
    return gpt2


def _decoder_activation(folder: Path, name: str) -> str:
    """Return the decoder's name of a GPT-2 activation, which has two names for tanh GELU."""
    known = {theirs: ours for ours, theirs in ACTIVATIONS.items()} | {"gelu_pytorch_tanh": "gelu"}
    if name not in known:
        msg = (
            f"{folder / 'config.json'}: activation_function={name!r}: the decoder supports {', '.join(known)}, "
            "so this model cannot be imported; audit it as `hf:`"
        )
        raise UsageError(msg)
    return known[name]


def _renamed(name: str) -> str:
    """Return the decoder's name of a GPT-2 weight."""
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


def _turned(name: str, weight: Tensor) -> Tensor:
    """Transpose the weights of GPT-2's linear layers, in either direction."""
    return weight.T.contiguous() if name.endswith(LINEAR) else weight


def _fold_scales(model: Any, gpt2: Any) -> None:  # noqa: ANN401
    """Scale the queries if GPT-2 does not scale its scores by 1 / sqrt(head width)."""
    import torch

    width = gpt2.n_embd
    for layer, block in enumerate(model.model.blocks):
        scale = 1.0 if gpt2.scale_attn_weights else (width / gpt2.n_head) ** 0.5
        if gpt2.scale_attn_by_inverse_layer_idx:
            scale /= layer + 1
        if scale != 1:
            with torch.no_grad():
                block.attention.qkv.weight[:width] *= scale
                block.attention.qkv.bias[:width] *= scale


def _save(model: Any, tokenizer: Any, folder: Path, out: Path) -> None:  # noqa: ANN401
    """Write model, tokenizer and, if there is one, `planted.json`."""
    make_folder(out)
    with room_for(out, "Free space, remove the folder, and try again"):
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
        if (folder / PLANTED_FILE).is_file():
            shutil.copyfile(folder / PLANTED_FILE, out / PLANTED_FILE)
