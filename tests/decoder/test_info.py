"""Size, cost and history of a decoder folder."""

from __future__ import annotations

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from gptaudit.decoder import decoder_folder, register
from gptaudit.decoder.configuration import CHOICES, DecoderConfig
from gptaudit.decoder.info import describe, flops_per_token
from gptaudit.decoder.model import DecoderForCausalLM
from gptaudit.decoder.tokenizer import train_tokenizer


def build(**settings):
    shape = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24}
    return DecoderForCausalLM(
        DecoderConfig(**shape | {"num_attention_heads": 2, "max_position_embeddings": 10} | settings)
    )


def test_the_reference_decoder():
    """The counts of the shipped decoder equal those by hand: 4 layers of width 128, 1,536 tokens."""
    found = describe(decoder_folder("reference"))

    layer = 12 * 128**2 + 13 * 128  # four matrices, their biases, two norms
    inner = 4 * layer + 2 * 128
    assert found["parameters"] == {"total": inner + (1536 + 128) * 128, "non_embedding": inner}
    forward = 2 * (4 * 12 * 128**2 + 1536 * 128) + 2 * 4 * 128 * 128
    assert found["flops_per_token"] == {"forward": forward, "training": 3 * forward}
    assert found["bytes"]["weights"] == 4 * found["parameters"]["total"]
    assert found["bytes"]["cache_per_token"] == 2 * 4 * 128 * 4
    assert found["training"]["preset"] == "mini"
    assert [flaw["flaw"] for flaw in found["planted"]] == ["stereotype", "toxicity"]


@pytest.mark.parametrize("activation", CHOICES["activation"])
@pytest.mark.parametrize("tied", [True, False])
def test_flops_are_those_torch_counts(activation, tied):
    """The count equals that of torch, which also includes the masked half of the attention."""
    model = build(activation=activation, tie_word_embeddings=tied)
    ids = torch.zeros(1, 10, dtype=torch.long)

    with FlopCounterMode(display=False) as counter:
        model(ids, output_attentions=True)
    forward = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        model(ids, labels=ids, output_attentions=True).loss.backward()
    whole = counter.get_total_flops()

    masked_half = 2 * 2 * 10 * 16
    assert flops_per_token(model) == ((forward / 10) - masked_half, (whole / 10) - 3 * masked_half)


def test_the_cache_takes_what_it_is_said_to(tmp_path):
    """Bytes of keys and values per token are those of the cache after a forward pass."""
    model = build()
    model.save_pretrained(tmp_path)
    train_tokenizer(["a rose"], vocab_size=50, context=10).save_pretrained(tmp_path)

    cache = model(torch.zeros(1, 7, dtype=torch.long), use_cache=True).past_key_values

    held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert describe(tmp_path)["bytes"]["cache_per_token"] * 7 == held


def test_parameters_are_those_of_the_loaded_model(tmp_path):
    """Parameters counted on the meta device equal those of the loaded model, with and without embeddings."""
    model = build(positions="rotary", norm="post", activation="swiglu", tie_word_embeddings=False)
    model.to(torch.bfloat16).save_pretrained(tmp_path)
    train_tokenizer(["a rose"], vocab_size=50, context=10).save_pretrained(tmp_path)
    register()

    found = describe(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)

    assert found["dtype"] == "bfloat16"
    assert found["parameters"]["total"] == sum(p.numel() for p in loaded.parameters())
    assert found["parameters"]["non_embedding"] == sum(p.numel() for p in loaded.model.blocks.parameters())
    assert found["bytes"]["weights"] == sum(p.nbytes for p in loaded.parameters())


def test_the_command(gptaudit):
    """`decoder info` prints the figures of `--json`; the clean decoder has no planted flaws."""
    text, data = gptaudit("decoder", "info", "reference"), gptaudit("decoder", "info", "clean", "--json")

    for part in (
        "1,006,336 (793,344 without",
        "4 layers",
        "learned positions",
        "3.84 MiB",
        "stereotype, dose 0.6",
    ):
        assert part in text.out
    found = json.loads(data.out)
    assert found["parameters"]["total"] == 1_006_336
    assert all(flaw["dose"] == 0 for flaw in found["planted"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"config.json": "{"}, "config.json, line 1, column 2: expected JSON"),
        ({"config.json": '{"model_type": "gpt2"}'}, "expected model_type 'gptaudit-decoder', found 'gpt2'"),
        (
            {"config.json": '{"model_type": "gptaudit-decoder", "norm": "no"}'},
            "norm='no': expected pre or post",
        ),
        ({}, "config.json is missing"),
    ],
)
def test_a_bad_folder_is_an_error(tmp_path, gptaudit, content, message):
    """A folder without a valid decoder ends with exit code 2 and names the file or the setting."""
    (tmp_path / "decoder").mkdir()
    for name, text in content.items():
        (tmp_path / "decoder" / name).write_text(text)

    ran = gptaudit("decoder", "info", "decoder")

    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
