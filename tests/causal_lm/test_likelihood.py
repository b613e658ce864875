"""Log-likelihoods against a one-by-one computation in float64, in any batch, for many kinds of model."""

from __future__ import annotations

import copy
import re
from random import Random
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM as Models
from transformers import (
    BloomConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    OPTConfig,
)

from gptaudit.causal_lm.encoding import EncodedPair
from gptaudit.causal_lm.likelihood import LikelihoodScorer
from gptaudit.causal_lm.loading import fuse_activations, turn_weights
from gptaudit.causal_lm.memory import OUT_OF_MEMORY
from gptaudit.causal_lm.token_tree import grow
from gptaudit.causal_lm.tree_support import widest_tree
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM

VOCABULARY = 97
CONTEXT = 96
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
GROUPED = {**SHAPE, "num_key_value_heads": 2, "head_dim": 8}
OPT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "ffn_dim": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "word_embed_proj_dim": 32,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
GPT2 = {
    "vocab_size": VOCABULARY,
    "n_positions": CONTEXT,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
NEO = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_layers": 2,
    "num_heads": 4,
    "max_position_embeddings": CONTEXT,
    "attention_types": [[["global", "local"], 1]],
    "bos_token_id": 0,
    "eos_token_id": 0,
}
FAMILIES = {
    "gpt2": (GPT2Config(**GPT2), CONTEXT),
    "llama": (LlamaConfig(**GROUPED), CONTEXT),
    "neox": (GPTNeoXConfig(**SHAPE), CONTEXT),
    "opt": (OPTConfig(**OPT), CONTEXT),
    "decoder": (DecoderConfig(**{key: SHAPE[key] for key in SHAPE if "token_id" not in key}), CONTEXT),
    "mistral": (MistralConfig(**GROUPED, sliding_window=70), 70),
    "gemma2": (Gemma2Config(**GROUPED, sliding_window=70, final_logit_softcapping=2.0), 70),
    "gemma3": (Gemma3TextConfig(**GROUPED, sliding_window=70), 70),
    "neo": (GPTNeoConfig(**NEO, window_size=70), 70),
    "mistral with a short window": (MistralConfig(**GROUPED, sliding_window=8), 0),
    "bloom": (BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4), 0),
    "mamba": (MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4), 0),
}
"""Each with the widest row in which it takes a tree; 0 where its attention or recurrence knows of no tree."""


def build(config):
    """A random model with weights large enough to tell tokens apart; larger ones make a recurrence chaotic."""
    scale = 1 if config.model_type == "mamba" else 4
    torch.manual_seed(0)
    decoder = isinstance(config, DecoderConfig)
    model = (DecoderForCausalLM(config) if decoder else Models.from_config(config)).eval()
    for parameter in model.parameters():
        parameter.data.mul_(scale)
    return model


def random_pairs(seed, count=24):
    """Pairs that begin alike in all ways: duplicates, prefixes, one-token contexts, branches at the first token."""
    random = Random(seed)

    def tokens(low, high):
        return tuple(random.randrange(1, VOCABULARY) for _ in range(random.randint(low, high)))

    pairs = [EncodedPair((0,), tokens(75, 90)), EncodedPair((0,), tokens(1, 1))]
    while len(pairs) < count:
        old = random.choice(pairs)
        whole = (*old.context, *old.continuation)
        cut = random.randint(1, min(len(whole), 60))
        context = whole[:cut] if random.random() < 0.8 else (0, *tokens(0, 20))
        pairs.append(EncodedPair(context, tokens(1, 8)))
    return [*pairs, *pairs[:3]]


def one_by_one(model, pairs):
    """Return each continuation token's log-probability from a forward pass of its own, in float64."""
    model = copy.deepcopy(model).double()
    found = []
    for pair in pairs:
        ids = torch.tensor([[*pair.context, *pair.continuation]])
        with torch.no_grad():
            logprobs = model(ids).logits[0].double().log_softmax(-1)
        first = len(pair.context) - 1
        found.append([float(logprobs[first + i, token]) for i, token in enumerate(pair.continuation)])
    return found


def agree(found, expected, tolerance=1e-4):
    assert len(found) == len(expected)
    for values, others in zip(found, expected, strict=True):
        assert values == pytest.approx(others, abs=tolerance)
        assert sum(values) == pytest.approx(sum(others), abs=tolerance)


@pytest.fixture(params=FAMILIES)
def family(request):
    config, widest = FAMILIES[request.param]
    return build(config), widest


class TestFamilies:
    def test_which_take_trees(self, family):
        """A model takes a tree exactly where it computes one as it computes its sequences."""
        model, widest = family

        assert widest_tree(model, CONTEXT) == widest

    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_one_by_one_in_float64(self, family, seed):
        """Each log-likelihood is that of a float64 pass without batch, tree or padding, in a batch of any size."""
        model, widest = family
        pairs = random_pairs(seed)
        expected = one_by_one(model, pairs)

        for batch_tokens in (1, 150, 4096):
            agree(
                LikelihoodScorer(model, batch_tokens=batch_tokens, widest_tree=widest).token_logprobs(pairs),
                expected,
            )

    def test_other_requests_change_nothing(self, family):
        """Alone, in another order or with others: the same log-likelihood."""
        model, widest = family
        pairs = random_pairs(7)
        scorer = LikelihoodScorer(model, batch_tokens=512, widest_tree=widest)
        together = scorer.token_logprobs(pairs)

        agree([scorer.token_logprobs([pair])[0] for pair in pairs], together)
        agree(scorer.token_logprobs(pairs[::-1])[::-1], together)
        agree(scorer.token_logprobs(pairs[5:9]), together[5:9])


def test_a_window_that_the_configuration_does_not_name_is_found_by_trial(monkeypatch):
    """A model whose own mask is not causal attention over all that stands before is not given another one."""
    monkeypatch.setattr("gptaudit.causal_lm.tree_support.WINDOW", re.compile("no such key"))

    assert widest_tree(build(FAMILIES["mistral with a short window"][0]), CONTEXT) == 0


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_every_attention_and_dtype_takes_the_mask(attention, dtype):
    """A tree is computed right by the written-out attention and by the fused one, in every number format."""
    model = build(LlamaConfig(**GROUPED, attn_implementation=attention)).to(dtype)

    assert widest_tree(model, CONTEXT) == CONTEXT


def test_each_distinct_prefix_once(monkeypatch):
    """Twenty continuations of one context cost the context once, and the head runs where one is predicted."""
    model = build(FAMILIES["llama"][0])
    context = tuple(range(1, 31))
    pairs = [EncodedPair(context, (31 + i, 5, 6)) for i in range(20)]
    seen = []
    head, body = model.get_output_embeddings(), model.get_input_embeddings()
    head.register_forward_hook(lambda _, args, out: seen.append(("logits", out.shape[1])))
    body.register_forward_hook(lambda _, args, out: seen.append(("tokens", out.shape[0] * out.shape[1])))

    LikelihoodScorer(model, batch_tokens=1024, widest_tree=CONTEXT).token_logprobs(pairs)

    assert len(grow(pairs, range(20), CONTEXT)) == 1
    assert seen == [("tokens", 30 + 20 * 2), ("logits", 1 + 20 * 2)]


def test_out_of_memory_loses_nothing(monkeypatch):
    """Where only small batches fit, every pair is still answered; one that never fits is a failure by itself."""
    model = build(FAMILIES["gpt2"][0])
    pairs = random_pairs(3)
    expected = LikelihoodScorer(model, batch_tokens=4096, widest_tree=CONTEXT).token_logprobs(pairs)
    whole = model.forward

    def forward(input_ids, **inputs):
        if input_ids.numel() > 60:
            message = "CUDA out of memory"
            raise torch.OutOfMemoryError(message)
        return whole(input_ids=input_ids, **inputs)

    monkeypatch.setattr(model, "forward", forward)
    found = LikelihoodScorer(model, batch_tokens=4096, widest_tree=CONTEXT).token_logprobs(pairs)

    for pair, values, others in zip(pairs, found, expected, strict=True):
        if len(pair.context) + len(pair.continuation) - 1 > 60:
            assert values == OUT_OF_MEMORY
        else:
            assert values == pytest.approx(others, abs=1e-4)


@pytest.mark.parametrize("how", ["no head", "flat input"])
def test_head_that_cannot_be_run_in_part(monkeypatch, how):
    """Where the head is no module, or is fed all tokens in one dimension, the logits are taken from all."""
    model = build(FAMILIES["gpt2"][0])
    pairs = random_pairs(4)
    scorer = LikelihoodScorer(model, batch_tokens=1024, widest_tree=CONTEXT)
    expected = scorer.token_logprobs(pairs)

    def forward(input_ids, **inputs):
        hidden = model.transformer(input_ids=input_ids, **inputs).last_hidden_state
        logits = model.lm_head(hidden.flatten(0, 1))
        return SimpleNamespace(logits=logits.view(*input_ids.shape, -1))

    if how == "no head":
        monkeypatch.setattr(model, "get_output_embeddings", lambda: None)
    else:
        monkeypatch.setattr(model, "forward", forward)

    agree(scorer.token_logprobs(pairs), expected)


def test_nothing_to_score():
    """No pairs, no values."""
    assert (
        LikelihoodScorer(build(FAMILIES["gpt2"][0]), batch_tokens=10, widest_tree=CONTEXT).token_logprobs([])
        == []
    )


def test_alternatives_of_one_token_sum_to_one():
    """The probabilities of all one-token continuations of a context add up to one."""
    pairs = [EncodedPair((0, 5), (token,)) for token in range(VOCABULARY)]

    found = LikelihoodScorer(
        build(FAMILIES["gpt2"][0]), batch_tokens=512, widest_tree=CONTEXT
    ).token_logprobs(pairs)

    assert sum(torch.tensor(values).exp().item() for values in found) == pytest.approx(1, abs=1e-5)


def test_fused_activation_is_the_same_function():
    """GPT-2 with torch's GELU puts out what it put out before, to rounding."""
    model = build(FAMILIES["gpt2"][0])
    ids = torch.arange(40)[None]
    with torch.no_grad():
        before, after = model(ids).logits, fuse_activations(model)(ids).logits

    assert any(isinstance(module, torch.nn.GELU) for module in model.modules())
    assert torch.allclose(before, after, atol=2e-5)


def test_turned_weights_are_the_same_function():
    """Linear layers laid out input by input compute what they did, to rounding; the head and bfloat16 stay."""
    model = build(FAMILIES["llama"][0])
    ids = torch.arange(40)[None]
    with torch.no_grad():
        before, after = model(ids).logits, turn_weights(model)(ids).logits
    linear = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    half = turn_weights(build(FAMILIES["llama"][0]).to(torch.bfloat16))

    assert [weight.t().is_contiguous() for weight in linear] == [True] * (len(linear) - 1) + [False]
    assert all(
        module.weight.is_contiguous() for module in half.modules() if isinstance(module, torch.nn.Linear)
    )
    assert torch.allclose(before, after, atol=2e-5)
