"""Batched log-likelihoods against a one-by-one computation in float64."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.causal_lm.encoding import EncodedPair, Encoder
from gptaudit.causal_lm.likelihood import token_logprobs

CONTEXTS = ["", "The harbour", "She opened the window and", "A carpenter and a nurse shared their lunch near"]
CONTINUATIONS = [" was quiet before the storm.", " closed", " he closed it again and again and again.", " it"]


def one_by_one(folder, pairs):
    """Return each continuation token's log-probability from a forward pass of its own, in float64."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    found = []
    for pair in pairs:
        ids = torch.tensor([[*pair.context, *pair.continuation]])
        with torch.no_grad():
            logprobs = model(ids).logits[0].log_softmax(-1)
        first = len(pair.context) - 1
        found.append([float(logprobs[first + i, token]) for i, token in enumerate(pair.continuation)])
    return found


@pytest.mark.parametrize("family", ["gpt2_folder", "llama_folder"])
@pytest.mark.parametrize("token_budget", [1, 40, 4096])
def test_agrees_with_one_by_one_in_float64(request, family, token_budget):
    """Every token's log-probability is that of a float64 pass without batch or padding, to 1e-4."""
    folder = request.getfixturevalue(family)
    encoder = Encoder(AutoTokenizer.from_pretrained(folder))
    pairs = [encoder.pair(a, b) for a in CONTEXTS for b in CONTINUATIONS]
    model = AutoModelForCausalLM.from_pretrained(folder).eval()

    found = token_logprobs(model, pairs, token_budget=token_budget)

    for expected, values in zip(one_by_one(folder, pairs), found, strict=True):
        assert values == pytest.approx(expected, abs=1e-4)


def test_nothing_to_score(gpt2_folder):
    """No pairs, no values."""
    model = AutoModelForCausalLM.from_pretrained(gpt2_folder)

    assert token_logprobs(model, [], token_budget=10) == []


def test_alternatives_of_one_token_sum_to_one(gpt2_folder):
    """The probabilities of all one-token continuations of a context add up to one."""
    model = AutoModelForCausalLM.from_pretrained(gpt2_folder).eval()
    pairs = [EncodedPair((0, 5), (token,)) for token in range(model.config.vocab_size)]

    total = sum(
        torch.tensor(values).exp().item() for values in token_logprobs(model, pairs, token_budget=512)
    )

    assert total == pytest.approx(1, abs=1e-5)
