"""Sampling against transformers' own, and its independence of the batch."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from gptaudit.causal_lm.encoding import Encoder
from gptaudit.causal_lm.generation import Draw, choose, complete
from gptaudit.records import Sampling

PROMPTS = ["The harbour", "She opened the window and he", "A", "A carpenter and a nurse shared their"]


@pytest.fixture(params=["gpt2_folder", "llama_folder"])
def opened(request):
    folder = request.getfixturevalue(request.param)
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def run(opened, prompts, sampling, seeds, budget=4096, stop_tokens=frozenset()):
    model, tokenizer = opened
    encoder = Encoder(tokenizer)
    draws = [Draw(encoder.prompt(text), seed) for text, seed in zip(prompts, seeds, strict=True)]
    return complete(model, encoder, draws, sampling, stop_tokens=stop_tokens, token_budget=budget)


def test_greedy_is_transformers_greedy(opened):
    """At temperature 0 each completion is what `generate` gives for the prompt alone."""
    model, tokenizer = opened
    completions = run(opened, PROMPTS, Sampling(12, temperature=0), range(4))

    for text, completion in zip(PROMPTS, completions, strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        expected = model.generate(
            ids, do_sample=False, max_new_tokens=12, eos_token_id=None, attention_mask=torch.ones_like(ids)
        )
        whole, start = tokenizer.decode(expected[0], skip_special_tokens=True), tokenizer.decode(ids[0])
        assert whole.endswith(completion.text)
        assert completion.text == whole[len(start.replace("<|endoftext|>", "")) :]


def test_samples_do_not_depend_on_the_batch(opened):
    """A completion is the same in any batch, in any order."""
    seeds = [11, 12, 13, 14]
    sampling = Sampling(15, top_p=0.9)
    together = run(opened, PROMPTS, sampling, seeds)
    alone = run(opened, PROMPTS, sampling, seeds, budget=1)
    backwards = run(opened, PROMPTS[::-1], sampling, seeds[::-1])[::-1]

    assert together == alone == backwards


def test_another_seed_is_another_sample(opened):
    """Samples of one prompt differ by their seed alone."""
    first, second, again = run(opened, ["The harbour"] * 3, Sampling(15), [1, 2, 1])

    assert first == again
    assert first.text != second.text


def test_stops(opened):
    """A stop string ends the text before it; an end token ends it too; both are called a stop."""
    (whole,) = run(opened, ["The harbour"], Sampling(15), [5])
    stop = whole.text[4:6]
    (cut,) = run(opened, ["The harbour"], Sampling(15, stop=(stop,)), [5])
    (ended,) = run(opened, ["The harbour"], Sampling(15), [5], stop_tokens=frozenset(range(1000)))

    assert whole.finish == "length"
    assert (cut.text, cut.finish) == (whole.text[: whole.text.index(stop)], "stop")
    assert (ended.text, ended.finish, ended.tokens) == ("", "stop", 0)


@pytest.mark.parametrize(
    ("sampling", "warpers"),
    [
        (Sampling(), []),
        (Sampling(top_k=5), [TopKLogitsWarper(5)]),
        (Sampling(top_p=0.7), [TopPLogitsWarper(0.7)]),
        (Sampling(temperature=0.5, top_k=6, top_p=0.8), [TopKLogitsWarper(6), TopPLogitsWarper(0.8)]),
    ],
)
def test_tokens_are_drawn_from_the_filtered_distribution(sampling, warpers):
    """The shares of 20,000 draws are the probabilities that transformers' own filters leave."""
    logits = torch.randn(1, 12, generator=torch.Generator().manual_seed(3)) * 2
    filtered = logits / sampling.temperature
    for warper in warpers:
        filtered = warper(None, filtered)
    expected = filtered.softmax(-1)[0]
    generators = [torch.Generator().manual_seed(seed) for seed in range(20_000)]

    drawn = choose(logits.expand(len(generators), -1), sampling, generators)

    shares = torch.bincount(drawn, minlength=12) / len(generators)
    standard_error = (expected * (1 - expected) / len(generators)).sqrt()
    assert ((shares - expected).abs() <= 4.5 * standard_error + 1e-9).all()
