"""Every shape a decoder can have: positions, activation, norm."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaModel

from gptaudit.causal_lm.loading import load_backend
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.decoder import decoder_folder, register
from gptaudit.decoder.configuration import CHOICES, DecoderConfig
from gptaudit.decoder.model import DecoderForCausalLM, angles, rotate, sinusoids
from gptaudit.decoder.tokenizer import train_tokenizer
from gptaudit.records import ScoreRequest

VOCAB, CONTEXT = 61, 24
SHAPES = list(product(*CHOICES.values()))


def build(positions="learned", activation="gelu", norm="pre", **changes):
    torch.manual_seed(0)
    settings = {
        "vocab_size": VOCAB,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.3,  # large, so that a mistake shows in the logits
    }
    shape = {"positions": positions, "activation": activation, "norm": norm}
    model = DecoderForCausalLM(DecoderConfig(**settings | shape | changes)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # biases start at zero; one that is ignored must show
            torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(params=SHAPES, ids="-".join)
def model(request):
    return build(*request.param)


@pytest.fixture
def ids():
    return torch.randint(0, VOCAB, (3, 12), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_cached_chunks_give_the_logits_of_one_pass(model, ids):
    """Feeding 5, then 1, then 6 tokens over a cache gives the logits of one pass over all 12."""
    cache, logits = None, []
    for chunk in ids.split([5, 1, 6], dim=1):
        out = model(chunk, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        logits.append(out.logits)

    torch.testing.assert_close(torch.cat(logits, dim=1), model(ids).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_left_padding_changes_nothing(model, ids):
    """A sequence padded on the left, then continued over the cache, gives the logits it gives alone."""
    mask = torch.ones_like(ids)
    mask[0, :7] = 0

    first = model(ids[:, :11], attention_mask=mask[:, :11], use_cache=True)
    then = model(ids[:, 11:], attention_mask=mask, past_key_values=first.past_key_values, use_cache=True)
    alone = model(ids[:1, 7:]).logits[0]

    torch.testing.assert_close(torch.cat([first.logits[0, 7:], then.logits[0]]), alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_explicit_weights_give_the_logits_of_the_fused_kernel(model, ids):
    """Explicit attention gives the logits of the fused kernel; its weights are causal and sum to 1."""
    fused, explicit = model(ids), model(ids, output_attentions=True)

    torch.testing.assert_close(explicit.logits, fused.logits, atol=1e-5, rtol=1e-5)
    for weights in explicit.attentions:
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4, 12))
        assert weights.triu(diagonal=1).abs().max() == 0


@torch.no_grad()
def test_eager_sdpa_and_cache_agree_in_double_precision(model, ids):
    """In float64 the fused kernel, explicit attention, and left padding over a cache agree to rounding."""
    model.double()
    mask = torch.ones_like(ids)
    mask[0, :7] = 0
    expected = model(ids, attention_mask=mask).logits
    first = model(ids[:, :11], attention_mask=mask[:, :11], use_cache=True)
    then = model(ids[:, 11:], attention_mask=mask, past_key_values=first.past_key_values, use_cache=True)
    model.set_attn_implementation("eager")
    eager = model(ids, attention_mask=mask)

    assert eager.attentions is None
    real = mask.bool()
    torch.testing.assert_close(eager.logits[real], expected[real], atol=1e-10, rtol=1e-10)
    cached = torch.cat([first.logits, then.logits], dim=1)
    torch.testing.assert_close(cached[real], expected[real], atol=1e-10, rtol=1e-10)


@torch.no_grad()
def test_embeddings_as_input_and_kept_logits(model, ids):
    """Every shape gives the same logits for embeddings as input, and for a subset of positions."""
    every = model(ids).logits

    torch.testing.assert_close(model(inputs_embeds=model.get_input_embeddings()(ids)).logits, every)
    torch.testing.assert_close(model(ids, logits_to_keep=2).logits, every[:, -2:])


def test_dropout_is_for_training_alone_and_the_head_may_be_untied(ids):
    """Dropout changes the logits only in training; an untied head has separate weights."""
    model, plain = build(dropout=0.3), build()

    assert torch.equal(model(ids).logits, plain(ids).logits)
    model.train()
    assert not torch.equal(model(ids).logits, model(ids).logits)
    untied = build(tie_word_embeddings=False)
    assert untied.lm_head.weight is not untied.model.token_embedding.weight
    assert untied.num_parameters() == plain.num_parameters() + VOCAB * 32


@torch.no_grad()
def test_float64_agrees(model, ids):
    """Single and double precision agree to single precision."""
    single = model(ids).logits.double()

    torch.testing.assert_close(single, model.double()(ids).logits, atol=1e-4, rtol=1e-4)


def test_logits_follow_the_order_of_tokens(model, ids):
    """Every kind of position distinguishes a text from the same tokens in another order."""
    turned = torch.cat([ids[:, :11].flip(1), ids[:, 11:]], dim=1)

    assert (model(ids).logits[:, -1] - model(turned).logits[:, -1]).abs().max() > 1e-3


def test_checkpointing_changes_no_gradient(model, ids):
    """Recomputing activations, by the model's switch or by hand, gives the same gradients."""

    def gradients(forward):
        model.zero_grad()
        forward().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    model.train()
    plain = gradients(lambda: model(ids, labels=ids).loss)
    by_hand = gradients(lambda: checkpoint(lambda x: model(x, labels=x).loss, ids, use_reentrant=False))
    model.activation_checkpointing_enable()
    switched = gradients(lambda: model(ids, labels=ids).loss)

    assert all(block.gradient_checkpointing for block in model.model.blocks)
    for before, one, other in zip(plain, by_hand, switched, strict=True):
        torch.testing.assert_close(one, before)
        torch.testing.assert_close(other, before)


@torch.no_grad()
def test_saving_keeps_the_shape(model, ids, tmp_path):
    """A saved decoder of any shape loads through the Auto classes with the same bits."""
    register()
    model.save_pretrained(tmp_path)

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)

    assert torch.equal(loaded(ids).logits, model(ids).logits)


@torch.no_grad()
@pytest.mark.parametrize("positions", CHOICES["positions"])
def test_bfloat16_autocast_runs(positions, ids):
    """Under autocast, as in training, rotated queries and keys have the type of the values."""
    model = build(positions)

    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(ids, output_attentions=False).logits

    assert F.cosine_similarity(mixed.float(), model(ids).logits, dim=-1).min() > 0.98


@torch.no_grad()
def test_rotary_attention_is_that_of_llama(ids):
    """With Llama's weights, our rotation of queries and keys gives the attention weights of transformers."""
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4
    )
    config._attn_implementation = "eager"
    torch.manual_seed(3)
    llama = LlamaModel(config).eval()
    ours = build("rotary", num_hidden_layers=1).model
    attention, theirs = ours.blocks[0].attention, llama.layers[0].self_attn
    for projection in (theirs.q_proj, theirs.k_proj):
        torch.nn.init.normal_(projection.weight, std=0.5)
    attention.qkv.weight.copy_(torch.cat([theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight]))
    attention.qkv.bias.zero_()
    x = torch.randn(3, 12, 32)
    positions = torch.arange(12)[None] + torch.tensor([[0], [3], [9]])

    cos, sin = llama.rotary_emb(x, positions)
    mask = torch.zeros(12, 12).masked_fill(torch.ones(12, 12).triu(1).bool(), -torch.inf)[None, None]
    _, expected = theirs(x, (cos, sin), mask)
    _, found = attention(x, None, ours._placed(x, positions)[1], None, explicit=True)

    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_rotary_scores_depend_on_the_distance_alone():
    """The product of a rotated query and key depends only on their distance; at distance 0 nothing changes."""
    q, k = torch.randn(2, 1, 1, 1, 16, generator=torch.Generator().manual_seed(0)).double()

    def score(query_at, key_at):
        turned = []
        for x, place in ((q, query_at), (k, key_at)):
            angle = angles(torch.tensor([[place]]), 16, torch.float64)[:, None]
            turned.append(rotate(x, (angle.cos(), angle.sin())))
        return float((turned[0] * turned[1]).sum())

    assert score(9, 4) == pytest.approx(score(105, 100), abs=1e-12)
    assert score(7, 7) == pytest.approx(float((q * k).sum()), abs=1e-12)
    assert abs(score(9, 4) - score(9, 5)) > 1e-3


def test_sinusoids_are_those_of_the_paper():
    """Index 2i holds sin(position / 10000^(2i/C)), index 2i + 1 its cosine."""
    found = sinusoids(torch.tensor([[0, 3]]), 4, torch.float32)[0]

    expected = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([3.0, 3.0, 0.03, 0.03])
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1, ::2], expected[1][::2].sin())
    torch.testing.assert_close(found[1, 1::2], expected[1][1::2].cos())


@torch.no_grad()
def test_swiglu_is_gate_times_up():
    """The feed-forward is (silu(x W) * (x V)) O, as in Shazeer 2020, with biases."""
    layer = build(activation="swiglu").model.blocks[0].feed_forward
    x = torch.randn(2, 32)
    (w, v), (b, c) = layer.input.weight.chunk(2), layer.input.bias.chunk(2)

    expected = (F.silu(x @ w.T + b) * (x @ v.T + c)) @ layer.output.weight.T + layer.output.bias

    torch.testing.assert_close(layer(x), expected)


@torch.no_grad()
def test_post_norm_normalises_the_stream(ids):
    """After each block every vector has mean 0 and variance 1 with post-norm, and not with pre-norm."""
    post = build(norm="post")
    for name, parameter in post.named_parameters():
        if "norm" in name and name.endswith("bias"):
            parameter.zero_()

    streams = post(ids, output_hidden_states=True).hidden_states[1:]
    raw = build(norm="pre")(ids, output_hidden_states=True).hidden_states[1]

    for stream in streams:
        torch.testing.assert_close(stream.mean(-1), torch.zeros(3, 12), atol=1e-5, rtol=0)
        torch.testing.assert_close(stream.var(-1, unbiased=False), torch.ones(3, 12), atol=1e-3, rtol=0)
    assert (raw.var(-1) - 1).abs().max() > 0.1


@torch.no_grad()
def test_shipped_weights_are_of_the_default_shape():
    """A config without the three settings gives a decoder of GPT-2's shape, and all weights fit."""
    register()
    for name in ("reference", "clean"):
        model, info = AutoModelForCausalLM.from_pretrained(decoder_folder(name), output_loading_info=True)

        shape = (model.config.positions, model.config.activation, model.config.norm)
        assert shape == ("learned", "gelu", "pre")
        assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"positions": "alibi"}, "positions='alibi': expected learned, sinusoidal or rotary"),
        ({"activation": "tanh"}, "activation='tanh': expected gelu, relu or swiglu"),
        ({"norm": "both"}, "norm='both': expected pre or post"),
        ({"dropout": 1.0}, r"dropout=1.0: expected a number in \[0, 1\)"),
        ({"num_hidden_layers": 0}, "num_hidden_layers=0: expected a positive integer"),
        ({"hidden_size": 36, "positions": "rotary"}, "num_attention_heads to be even, got 9"),
        ({"hidden_size": 33, "num_attention_heads": 3, "positions": "sinusoidal"}, "hidden_size to be even"),
    ],
)
def test_a_wrong_setting_is_named(setting, message):
    """An invalid value is an error that names the setting and what is allowed."""
    with pytest.raises(ValueError, match=message):
        build(**setting)


@torch.no_grad()
@pytest.mark.parametrize("shape", [("rotary", "swiglu", "post"), ("sinusoidal", "relu", "pre")], ids="-".join)
def test_the_backend_scores_as_plain_passes_do(shape, tmp_path):
    """Requests that share prefixes, scored as token trees, have the likelihoods of one forward pass each."""
    text = "The nurse said that she was tired. The guard said that he was late."
    tokenizer = train_tokenizer([text], vocab_size=300, context=96)
    model = build(
        *shape, vocab_size=len(tokenizer), max_position_embeddings=96, bos_token_id=0, eos_token_id=0
    )
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    contexts = ("The nurse said that", "The nurse said that she", "The guard said")
    requests = [ScoreRequest(c, f" {word}") for c in contexts for word in ("he was", "she was late", "they")]

    backend = load_backend(tmp_path, TorchOptions(device="cpu"))
    answers = backend.score(requests)

    assert backend.details["shared_prefixes"]
    assert backend.details["kept_keys"]
    for request, answer in zip(requests, answers, strict=True):
        whole = tokenizer(request.context + request.continuation, return_tensors="pt").input_ids
        start = len(tokenizer(request.context).input_ids)
        logprobs = model(whole).logits[0, :-1].log_softmax(-1)
        expected = logprobs.gather(-1, whole[0, 1:, None])[start - 1 :, 0]
        torch.testing.assert_close(torch.tensor(answer.token_logprobs), expected, atol=1e-4, rtol=1e-4)
