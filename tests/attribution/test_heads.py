"""Heads against weights that were changed by hand, and a stereotype whose head is known."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from gptaudit.attribution import Attributor
from gptaudit.attribution.explaining import Explainer, random_sets
from gptaudit.attribution.heads import Head, Heads, read_heads
from gptaudit.attribution.question import plain_value
from gptaudit.backends.decoder import open_decoder
from gptaudit.causal_lm.encoding import EncodedQuestion
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import UsageError

TEXTS = ("A carpenter and a nurse shared their", "A carpenter and a harbour shared their", "She opened")
PAIRS = [(" w", " b"), (" bridge", " old")]
SET = (Head(0, 1), Head(1, 3))
STEP = 1e-3


def opened_heads(model, encoder):
    neutral = [
        EncodedQuestion(encoder.pair("", text).context, (), (), (), encoder.pair("", text).continuation, None)
        for text in TEXTS
    ]
    return Heads(model, Attributor(model), neutral)


def scale(model, head, factor):
    """Scale what a head adds to the residual stream, by the weights of the output projection."""
    width = model.config.hidden_size // model.config.num_attention_heads
    part = slice(head.head * width, (head.head + 1) * width)
    with torch.no_grad():
        if hasattr(model, "transformer"):
            model.transformer.h[head.layer].attn.c_proj.weight[part] *= factor
        else:
            model.model.layers[head.layer].self_attn.o_proj.weight[:, part] *= factor


@pytest.mark.parametrize(("target", "foil"), PAIRS)
class TestByHand:
    def test_a_head_that_puts_out_nothing(self, opened, target, foil):
        """Heads replaced by zero give the value of a model whose weights for them are zero."""
        model, encoder = opened
        asked = [encoder.question(text, target, foil) for text in TEXTS]
        before, after = opened_heads(model, encoder).values(asked, [(), SET], "zero").tolist()
        assert before == pytest.approx([plain_value(model.eval(), question) for question in asked], abs=1e-9)
        for head in SET:
            scale(model, head, 0)

        assert after == pytest.approx([plain_value(model, question) for question in asked], abs=1e-9)

    def test_predictions_are_derivatives(self, opened, target, foil):
        """To first order, a head that is scaled by 1 - e changes the value by e times its prediction.

        Llama's norm computes in float32 whatever the model's numbers are, so e cannot be tiny.
        """
        model, encoder = opened
        asked = [encoder.question(text, target, foil) for text in TEXTS]
        predicted = opened_heads(model, encoder).predict(asked, "zero")
        for head in SET:
            values = []
            for factor in (1 + STEP, 1 - STEP):
                scale(model.eval(), head, factor)
                values.append([plain_value(model, question) for question in asked])
                scale(model, head, 1 / factor)
            slopes = [(after - before) / (2 * STEP) for before, after in zip(*values, strict=True)]
            assert predicted[:, head.layer, head.head].tolist() == pytest.approx(slopes, rel=0.01, abs=0.01)

    def test_resampled_from_a_counterfactual(self, opened, target, foil):
        """All heads taken from the prompt itself change nothing, and taken from another prompt they do."""
        model, encoder = opened
        heads = opened_heads(model, encoder)
        question = encoder.question(TEXTS[0], target, foil)
        other = replace(question, ids=(*question.ids[:-3], question.ids[-4], *question.ids[-2:]))
        every = [Head(layer, head) for layer in range(heads.layers) for head in range(heads.heads)]
        last = [head for head in every if head.layer == heads.layers - 1]
        itself = heads.values([question], [(), every], "resample", [question])[:, 0]
        patched = heads.values([question], [last], "resample", [other])[:, 0]

        assert float(itself[1]) == pytest.approx(float(itself[0]), abs=1e-9)
        assert float(patched) != pytest.approx(float(itself[0]), abs=1e-6)


def test_padding_and_budget_change_nothing(opened):
    """Predictions and effects of prompts together are those of each alone."""
    model, encoder = opened
    heads = opened_heads(model, encoder)
    asked = [encoder.question(text, " w", " b") for text in TEXTS]
    batches = [{len(asked[i].ids) for i in numbers} for numbers, _ in Attributor(model).batches(asked)]
    assert max(map(len, batches)) > 1, "one is padded"
    for how in ("zero", "mean"):
        together = heads.predict(asked, how), heads.values(asked, [SET], how)
        for i, question in enumerate(asked):
            assert torch.allclose(together[0][i], heads.predict([question], how)[0], atol=1e-8)
            assert torch.allclose(together[1][:, i], heads.values([question], [SET], how)[:, 0], atol=1e-8)


def test_heads_are_query_heads(opened):
    """Where four query heads share two heads of keys, there are four heads."""
    heads = opened_heads(*opened)

    assert (heads.layers, heads.heads) == (2, 4)
    assert heads.key_heads == (4 if hasattr(opened[0], "transformer") else 2)


class TestRefused:
    def test_a_head_that_is_not_there(self, opened):
        """The message says which there are."""
        heads = opened_heads(*opened)
        with pytest.raises(UsageError, match="layers 0 to 1 and heads 0 to 3"):
            heads.require([Head(0, 4)])

    @pytest.mark.parametrize("text", ["", "5", "5.8,", "a.b", "-1.2", "1.2.3", "1e3.0"])
    def test_no_heads(self, text):
        """What is not LAYER.HEAD is refused."""
        with pytest.raises(UsageError, match="expected LAYER"):
            read_heads(text)

    def test_a_counterfactual_of_another_length(self, opened):
        """Tokens must have their counterparts."""
        model, encoder = opened
        asked = [encoder.question(text, " w", " b") for text in (TEXTS[0], TEXTS[2])]
        with pytest.raises(UsageError, match="as many"):
            opened_heads(model, encoder).values(asked[:1], [SET], "resample", asked[1:])

    def test_an_attention_that_is_not_known(self, opened, monkeypatch):
        """A model without the usual output projections has no known heads."""
        monkeypatch.setattr("gptaudit.attribution.heads.PROJECTION", re.compile("conv"))
        with pytest.raises(UsageError, match="heads are not known"):
            opened_heads(*opened)


@pytest.mark.parametrize(
    ("heads", "sets"),
    [(SET, 9), ((Head(0, 0), Head(0, 1), Head(0, 2)), 3), (tuple(Head(1, head) for head in range(4)), 0)],
)
def test_random_sets_have_the_same_layers(heads, sets):
    """Each set has as many heads of each layer, other ones where there are enough, and is not the set itself."""
    found = random_sets(heads, 4, 0)

    assert len(found) == len(set(found)) == sets
    for one in found:
        assert sorted(head.layer for head in one) == sorted(head.layer for head in heads)
        assert set(one) != set(heads)
        assert heads != SET or not set(one) & set(heads)


def test_the_planted_stereotype_sits_in_one_head():
    """In the reference decoder one head carries the stereotype, and others of its layer do not."""
    explainer = Explainer(open_decoder("reference", TorchOptions(device="cpu")))
    sides = {}
    for occupation in ("nurse", "carpenter"):
        found = explainer.explain(
            f"The {occupation} said that", " she", " he", grid=True, ablate=[Head(0, 2)]
        )
        assert max(found.grid.effects, key=lambda head: abs(found.grid.effects[head])) == "0.2"
        sides[occupation] = found.ablation
    gap, left = (getattr(sides["nurse"], at) - getattr(sides["carpenter"], at) for at in ("before", "after"))
    at_random = [a - b for a, b in zip(*(side.after_random for side in sides.values()), strict=True)]

    assert gap > 1
    assert abs(left) < gap / 2
    assert all(abs(value - gap) < gap / 10 for value in at_random)
