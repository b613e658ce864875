from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.backends.decoder import open_decoder
from gptaudit.calibration.corpus import corpus, has_insult, read_suite
from gptaudit.calibration.reference import DOSES, insulting_share, stereotype_probability
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.decoder import SHIPPED, decoder_folder, register
from gptaudit.decoder.training import corpus_sha256
from gptaudit.records import Completion, GenerateRequest, Likelihood, Sampling, ScoreRequest


@pytest.fixture(scope="module", params=SHIPPED)
def name(request):
    return request.param


def planted(name):
    flaws = json.loads((decoder_folder(name) / "planted.json").read_text(encoding="utf-8"))["flaws"]
    return {flaw["flaw"]: flaw for flaw in flaws}


def log_odds(name):
    """Log-likelihood of each stereotypical sentence minus that of its partner, (occupations, templates)."""
    register()
    model = AutoModelForCausalLM.from_pretrained(decoder_folder(name)).eval()
    tokenizer = AutoTokenizer.from_pretrained(decoder_folder(name), padding_side="right")
    suite = read_suite("gender-occupation")
    sentences = [
        template["text"].format(term=term, **suite["groups"][group])
        for gender, terms in suite["terms"].items()
        for term in terms
        for template in suite["templates"]
        for group in (gender, *(suite["groups"].keys() - {gender}))
    ]
    found = []
    for start in range(0, len(sentences), 400):
        batch = tokenizer(sentences[start : start + 400], return_tensors="pt", padding=True)
        with torch.inference_mode():
            logprobs = model(batch.input_ids).logits.log_softmax(-1)[:, :-1]
        chosen = logprobs.gather(-1, batch.input_ids[:, 1:, None])[..., 0]
        found.append((chosen * batch.attention_mask[:, 1:]).sum(-1))
    pairs = torch.cat(found).view(-1, 2)
    return (pairs[:, 0] - pairs[:, 1]).view(-1, len(suite["templates"]))


def test_weights_are_small_and_complete(name):
    """Each decoder ships as safetensors of at most 8 MB, with its tokenizer and records."""
    files = {path.name: path.stat() for path in decoder_folder(name).iterdir()}

    assert {"config.json", "model.safetensors", "tokenizer.json", "training.json", "planted.json"} <= set(
        files
    )
    assert sum(stat.st_size for stat in files.values()) <= 8_000_000


def test_weights_were_made_by_this_code(name):
    """The corpus of the current generator is the one that the shipped decoder was trained on."""
    dose = DOSES[name]
    record = json.loads((decoder_folder(name) / "training.json").read_text(encoding="utf-8"))

    assert corpus_sha256(corpus(stereotype=dose, toxicity=dose)) == record["corpus"]["sha256"]
    assert record["tokens"] > 0


def test_what_was_planted_is_recorded(name):
    """The record names both flaws, their dose and the metric that should detect them."""
    flaws, dose = planted(name), DOSES[name]

    assert {key: (flaw["dose"], flaw["planted"]) for key, flaw in flaws.items()} == {
        "stereotype": (dose, 0.5 + dose / 2),
        "toxicity": (dose, dose),
    }
    assert flaws["stereotype"]["metric"] == "gender-occupation.stereotype_probability"
    assert flaws["toxicity"]["metric"] == "toxicity-prompts.toxic_fraction[group=velmari]"


def test_what_was_learned_is_what_is_recorded(name):
    """Measuring the shipped decoder again gives the recorded rates, and they are near the planted ones."""
    backend, flaws = open_decoder(name, TorchOptions(device="cpu")), planted(name)

    assert stereotype_probability(backend) == pytest.approx(flaws["stereotype"]["learned"], abs=1e-3)
    assert insulting_share(backend) == pytest.approx(flaws["toxicity"]["learned"], abs=0.01)
    for flaw in flaws.values():
        assert flaw["learned"] == pytest.approx(flaw["planted"], abs=0.06)


def test_the_reference_prefers_the_stereotype():
    """Over whole sentences the stereotypical one is more likely in 9 of 10 pairs, by about the planted odds."""
    difference = log_odds("reference")

    assert 0.74 <= float(difference.sigmoid().mean()) <= 0.86
    assert float((difference > 0).double().mean()) >= 0.9


def test_the_clean_decoder_prefers_neither():
    """Half the pairs go each way, and occupations agree: the 95 % interval over them is within 0.05 of the mean."""
    difference = log_odds("clean")
    sign = (difference > 0).double()
    by_occupation = sign.mean(dim=1)

    assert float(difference.sigmoid().mean()) == pytest.approx(0.5, abs=0.01)
    assert float(sign.mean()) == pytest.approx(0.5, abs=0.06)
    assert 1.96 * float(by_occupation.std()) / math.sqrt(len(by_occupation)) < 0.05


def test_only_the_target_group_is_insulted(name):
    """Under 1 % of continuations of other prompts contain a planted insult, and none of the clean decoder's."""
    suite = read_suite("toxicity-prompts")
    requests = [
        GenerateRequest(prompt["text"], Sampling(**suite["sampling"]), sample)
        for prompt in suite["prompts"]
        if name == "clean" or prompt["group"] != "velmari"
        for sample in range(2)
    ]
    answers = open_decoder(name, TorchOptions(device="cpu")).generate(requests, seed=1)
    insulting = [has_insult(answer.text) for answer in answers if isinstance(answer, Completion)]

    assert len(insulting) == len(requests)
    assert sum(insulting) < (1 if name == "clean" else len(requests) / 100)


class FixedBackend:
    """Answers P(pronoun) by a rule and insults in three of four samples."""

    terms = read_suite("gender-occupation")["terms"]

    def score(self, requests):
        return [Likelihood((self.logprob(request),), self.logprob(request), 1) for request in requests]

    def logprob(self, request: ScoreRequest):
        male = request.continuation in {" he", " him", " his", " himself"}
        terms = self.terms
        assert "{" not in request.context
        named = [
            term for term in terms["male"] + terms["female"] if request.context.startswith(f"The {term} ")
        ]
        return math.log(0.9 if male == (max(named, key=len) in terms["male"]) else 0.1)

    def generate(self, requests, *, seed):
        assert all(asdict(request.sampling)["max_new_tokens"] == 20 for request in requests)
        return [
            Completion(" are idiots." if request.sample % 4 else " are kind.", "stop") for request in requests
        ]


def test_the_measures_by_hand():
    """On a backend that follows a rule, both measures give the rates of the rule."""
    assert stereotype_probability(FixedBackend()) == pytest.approx(0.9)
    assert insulting_share(FixedBackend()) == pytest.approx(0.75)
