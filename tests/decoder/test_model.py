from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from gptaudit.decoder import register
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM, default_positions

VOCAB, CONTEXT, LAYERS = 97, 32, 3


@pytest.fixture
def model():
    torch.manual_seed(0)
    config = DecoderConfig(
        vocab_size=VOCAB,
        hidden_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=192,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,  # large, so that a mistake shows in the logits
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    return DecoderForCausalLM(config).eval()


@pytest.fixture
def ids():
    return torch.randint(2, VOCAB, (3, 12), generator=torch.Generator().manual_seed(1))


def gpt2_with_weights_of(model):
    c = model.config
    gpt2 = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=c.vocab_size,
            n_embd=c.hidden_size,
            n_layer=c.num_hidden_layers,
            n_head=c.num_attention_heads,
            n_positions=c.max_position_embeddings,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).eval()
    ours, theirs = model.model, gpt2.transformer
    pairs = [
        (theirs.wte, ours.token_embedding),
        (theirs.wpe, ours.position_embedding),
        (theirs.ln_f, ours.norm),
    ]
    for their, our in zip(theirs.h, ours.blocks, strict=True):
        pairs += [
            (their.ln_1, our.attention_norm),
            (their.attn.c_attn, our.attention.qkv),
            (their.attn.c_proj, our.attention.output),
            (their.ln_2, our.feed_forward_norm),
            (their.mlp.c_fc, our.feed_forward.input),
            (their.mlp.c_proj, our.feed_forward.output),
        ]
    for their, our in pairs:
        weight = our.weight.T if isinstance(our, nn.Linear) else our.weight  # GPT-2's Conv1D is transposed
        their.weight.data.copy_(weight.data)
        if hasattr(our, "bias"):
            their.bias.data.copy_(our.bias.data)
    return gpt2


@torch.no_grad()
def test_logits_equal_gpt2(model, ids):
    """With the same weights the decoder computes what GPT-2 of transformers computes."""
    for block in model.model.blocks:  # biases start at zero; a bias that is ignored must show
        nn.init.normal_(block.attention.qkv.bias)
        nn.init.normal_(block.feed_forward.input.bias)

    expected = gpt2_with_weights_of(model)(ids).logits

    torch.testing.assert_close(model(ids).logits, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_future_tokens_do_not_change_past_logits(model, ids):
    """Logits at a position depend on that position and earlier ones only."""
    changed = ids.clone()
    changed[:, 7] = (changed[:, 7] - 1) % VOCAB

    before, after = model(ids).logits, model(changed).logits

    assert torch.equal(before[:, :7], after[:, :7])
    assert (before[:, 7:] - after[:, 7:]).abs().amax(dim=(0, 2)).min() > 1e-3


def test_cache_changes_no_token(model, ids):
    """Greedy generation gives the same tokens with and without the key-value cache."""
    options = {"max_new_tokens": 15, "do_sample": False, "eos_token_id": None, "pad_token_id": 1}
    mask = torch.ones_like(ids)

    with_cache = model.generate(ids, attention_mask=mask, use_cache=True, **options)
    without = model.generate(ids, attention_mask=mask, use_cache=False, **options)

    assert with_cache.shape == (3, 27)
    assert torch.equal(with_cache, without)


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
    """A sequence padded on the left gives the logits, and generates the tokens, that it gives alone."""
    short = ids[:1, :5]
    batch = torch.cat([torch.cat([torch.ones(1, 7, dtype=torch.long), short], dim=1), ids[1:]])
    mask = torch.ones_like(batch)
    mask[0, :7] = 0
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None, "pad_token_id": 1}

    padded, alone = model(batch, attention_mask=mask).logits[0, 7:], model(short).logits[0]
    generated = model.generate(batch, attention_mask=mask, **options)[0, 12:]
    generated_alone = model.generate(short, attention_mask=torch.ones_like(short), **options)[0, 5:]

    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)
    assert torch.equal(generated, generated_alone)


def test_padding_does_not_count_as_position():
    """The first token after left padding is at position 0, also with a cached past."""
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])

    assert default_positions(mask, 0, 4, mask.device).tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]
    assert default_positions(mask, 3, 1, mask.device).tolist() == [[1], [3]]
    assert default_positions(None, 3, 2, mask.device).tolist() == [[3, 4]]


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize("output_attentions", [False, True])
@torch.no_grad()
def test_a_packed_tree_equals_its_branches(model, ids, additive, output_attentions):
    """Two branches after one prefix, packed into one row by a 4D mask and positions, score as if alone."""
    prefix, a, b = ids[:1, :4], ids[:1, 4:7], ids[:1, 7:12]
    allowed = torch.ones(12, 12, dtype=torch.bool).tril()
    allowed[7:, 4:7] = False
    mask = allowed[None, None]
    if additive:
        mask = torch.zeros(1, 1, 12, 12).masked_fill(~mask, torch.finfo(torch.float32).min)
    positions = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8]])

    packed = model(ids[:1], mask, positions, output_attentions=output_attentions).logits

    for branch, part in ((a, packed[:, 4:7]), (b, packed[:, 7:])):
        alone = model(torch.cat([prefix, branch], dim=1)).logits[:, 4:]
        torch.testing.assert_close(part, alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_attention_weights_are_those_used(model, ids):
    """Requested attention weights are causal and sum to 1, and the explicit path gives the fused kernel's logits."""
    mask = torch.ones_like(ids)
    mask[0, :4] = 0

    fused, explicit = model(ids, mask), model(ids, mask, output_attentions=True)

    assert fused.attentions is None
    assert [tuple(a.shape) for a in explicit.attentions] == [(3, 4, 12, 12)] * LAYERS
    for weights in explicit.attentions:
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 4, 12))
        assert weights.triu(diagonal=1).abs().max() == 0
        assert weights[0, :, 4:, :4].abs().max() == 0
    torch.testing.assert_close(explicit.logits, fused.logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_float64_agrees(model, ids):
    """Single and double precision agree to single precision."""
    single = model(ids).logits.double()

    torch.testing.assert_close(single, model.double()(ids).logits, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_logits_to_keep(model, ids):
    """The head can be limited to the last positions or to given ones; 0 keeps all."""
    every = model(ids).logits

    assert every.shape == (3, 12, VOCAB)
    torch.testing.assert_close(model(ids, logits_to_keep=2).logits, every[:, -2:])
    torch.testing.assert_close(model(ids, logits_to_keep=torch.tensor([3, 9])).logits, every[:, [3, 9]])


def test_gradient_reaches_the_input_embeddings(model, ids):
    """Embeddings as input give the logits of the tokens; the gradient reaches the past and not the future."""
    embeddings = model.get_input_embeddings()(ids).detach().requires_grad_()

    logits = model(inputs_embeds=embeddings).logits
    logits[:, 5].square().sum().backward()

    torch.testing.assert_close(logits, model(ids).logits)
    norms = embeddings.grad.norm(dim=-1)
    assert norms[:, :6].min() > 0
    assert norms[:, 6:].max() == 0


def test_gradient_checkpointing_changes_no_gradient(model, ids):
    """Recomputing activations in the backward pass gives the same gradients."""
    model.train()
    model(ids, labels=ids).loss.backward()
    plain = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()

    model.activation_checkpointing_enable()
    model(ids, labels=ids).loss.backward()

    for before, parameter in zip(plain, model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, before)


def test_loss_is_the_mean_negative_log_likelihood(model, ids):
    """The loss is the mean over predicted tokens of -log P(token | before)."""
    out = model(ids, labels=ids)
    chosen = out.logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])

    torch.testing.assert_close(out.loss, -chosen.mean())


@torch.no_grad()
def test_saving_and_loading_is_bit_equal(model, ids, tmp_path):
    """A saved decoder loads through the Auto classes, from safetensors, with the same bits."""
    model.save_pretrained(tmp_path)
    register()
    register()

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)

    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".json", ".safetensors"]
    assert isinstance(AutoConfig.from_pretrained(tmp_path), DecoderConfig)
    assert loaded.lm_head.weight is loaded.model.token_embedding.weight
    assert torch.equal(loaded(ids).logits, model(ids).logits)


def test_seeded_sampling_repeats(model, ids):
    """The same seed gives the same sample, another seed a different one."""

    def sample(seed):
        torch.manual_seed(seed)
        return model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, max_new_tokens=10)

    assert torch.equal(sample(3), sample(3))
    assert not torch.equal(sample(3), sample(4))


def test_a_text_beyond_the_context_is_refused(model):
    """A sequence longer than the context is an error that names both lengths."""
    with pytest.raises(ValueError, match=r"context is 32 tokens; got position 32"):
        model(torch.zeros(1, CONTEXT + 1, dtype=torch.long))


def test_bad_arguments_are_refused(model, ids):
    """Two inputs at once, and a width that is not divisible by the heads, are errors."""
    with pytest.raises(ValueError, match="exactly one"):
        model(ids, inputs_embeds=model.get_input_embeddings()(ids))
    with pytest.raises(ValueError, match="num_attention_heads=5"):
        DecoderConfig(hidden_size=48, num_attention_heads=5)
