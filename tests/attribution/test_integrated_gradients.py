"""Integrated gradients against what theory demands of them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.attribution.integrated_gradients import attribute_contrast
from gptaudit.causal_lm.backend import freeze
from gptaudit.causal_lm.encoding import EncodedPrompt, Encoder

TEXT = "A carpenter and a nurse shared their"


@pytest.mark.parametrize("family", ["gpt2_folder", "llama_folder"])
class TestOnModels:
    @pytest.fixture
    def opened(self, request, family):
        folder = request.getfixturevalue(family)
        model = freeze(AutoModelForCausalLM.from_pretrained(folder))
        return model, Encoder(AutoTokenizer.from_pretrained(folder)).prompt(TEXT)

    def test_scores_add_up_to_the_change(self, opened):
        """Completeness: the scores sum to what the prompt changes against the baseline, up to delta."""
        model, prompt = opened
        found = attribute_contrast(model, TEXT, prompt, 7, 9)

        change = found.contrast - found.baseline_contrast
        assert sum(found.scores) - change == pytest.approx(found.delta, abs=1e-4)
        assert found.converged
        assert abs(found.delta) <= max(0.02 * abs(change), 0.01)

    def test_contrast_is_the_logit_difference(self, opened):
        """The contrast is what a plain forward pass over the tokens gives."""
        model, prompt = opened
        with torch.no_grad():
            logits = model(torch.tensor([prompt.ids])).logits[0, -1]

        found = attribute_contrast(model, TEXT, prompt, 7, 9)

        assert found.contrast == pytest.approx(float(logits[7] - logits[9]), abs=1e-4)

    def test_swapping_target_and_foil_turns_every_sign(self, opened):
        """What speaks for the one speaks against the other."""
        model, prompt = opened
        forth, back = (attribute_contrast(model, TEXT, prompt, *pair) for pair in [(7, 9), (9, 7)])

        assert forth.scores == pytest.approx([-score for score in back.scores], abs=1e-4)

    def test_tokens_are_those_of_the_prompt(self, opened):
        """There is a score for every token of the text, and none for a start token."""
        model, prompt = opened
        found = attribute_contrast(model, TEXT, prompt, 7, 9)

        assert len(found.scores) == len(found.tokens) == len(found.offsets) == len(prompt.offsets)
        assert [TEXT[a:b] for a, b in found.offsets] == list(found.tokens)


class Linear(torch.nn.Module):
    """Logits are a fixed linear map of the weighted sum of embeddings, so attributions are known."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(10, 4)
        self.head = torch.nn.Linear(4, 10)
        self.weights = torch.tensor([0.5, -2.0, 1.0])

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, inputs_embeds, use_cache, logits_to_keep):
        return SimpleNamespace(logits=self.head((inputs_embeds * self.weights[:, None]).sum(1, keepdim=True)))


def test_linear_model_has_its_weights_as_attribution():
    """On a linear model a token's score is its weight times what it changes against the baseline."""
    model = freeze(Linear())
    prompt = EncodedPrompt((3, 1, 4), 0, ((0, 1), (1, 2), (2, 3)))
    direction = model.head.weight[2] - model.head.weight[6]
    changes = model.embedding.weight[[3, 1, 4]] - model.embedding.weight.mean(0)
    expected = (model.weights * (changes @ direction)).tolist()

    found = attribute_contrast(model, "abc", prompt, 2, 6)

    assert found.scores == pytest.approx(expected, abs=1e-5)
    assert found.steps == 20


def test_start_tokens_keep_their_embedding():
    """A token that was put before the text explains nothing and has no score."""
    model = freeze(Linear())
    found = attribute_contrast(model, "bc", EncodedPrompt((3, 1, 4), 1, ((0, 1), (1, 2))), 2, 6)

    assert len(found.scores) == 2
    assert sum(found.scores) == pytest.approx(found.contrast - found.baseline_contrast, abs=1e-4)
