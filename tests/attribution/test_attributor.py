"""Attributions against what theory demands of them, captum called plainly, and sums done by hand."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from captum.attr import FeatureAblation, IntegratedGradients
from planted_model import tokenizer_of
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.attribution import Attributor, attribute
from gptaudit.attribution.methods import METHODS as ALL
from gptaudit.attribution.question import plain_value
from gptaudit.causal_lm.encoding import EncodedQuestion, Encoder
from gptaudit.errors import BackendError, UsageError

METHODS = {method.name: method for method in ALL}
TEXTS = ("A carpenter and a nurse shared their", "She opened", "The harbour was quiet by the old")
PAIRS = [(" w", " b"), (" bridge", " old"), (" w", None), (" we", None)]
"""A contrast of tokens, one of sequences of different lengths, a token, a sequence."""


@pytest.fixture(autouse=True)
def few_orders(monkeypatch):
    """Let Shapley value sampling draw few orders: what is said of its scores holds for any number of them."""
    monkeypatch.setattr("gptaudit.attribution.methods.ORDERS", 4)


def questions(encoder, target=" w", foil=" b"):
    return [encoder.question(text, target, foil) for text in TEXTS]


@pytest.mark.parametrize(("target", "foil"), PAIRS)
@pytest.mark.parametrize("method", METHODS)
def test_batched_is_one_by_one(opened, method, target, foil):
    """Padding and neighbours change no score, whatever is compared."""
    model, encoder = opened
    asked = questions(encoder, target, foil)
    together = Attributor(model).attribute(asked, METHODS[method])
    batches = [{len(asked[i].ids) for i in numbers} for numbers, _ in Attributor(model).batches(asked)]

    assert max(map(len, batches)) > 1, "one is padded"
    for question, found in zip(asked, together, strict=True):
        (alone,) = Attributor(model).attribute([question], METHODS[method])
        assert found.scores == pytest.approx(alone.scores, abs=1e-5)
        assert found.contrast == pytest.approx(plain_value(model.eval(), question), abs=1e-4)


@pytest.mark.parametrize(("target", "foil"), PAIRS)
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.complete])
def test_scores_add_up_to_the_change(opened, method, target, foil):
    """Completeness: the scores sum to what the prompt changes against the baseline, up to delta."""
    model, encoder = opened
    for found in Attributor(model).attribute(questions(encoder, target, foil), METHODS[method]):
        change = found.contrast - found.baseline_contrast
        assert sum(found.scores) - change == pytest.approx(found.delta, abs=1e-9)
        assert found.converged is (abs(found.delta) <= max(0.02 * abs(change), 0.01))
        assert (
            found.converged or len(target) > 2
        )  # of random weights, a sequence may be too wild for any path


def test_tokens_in_flight_change_no_score(opened):
    """A budget of one row at a time computes the same as a large one."""
    model, encoder = opened
    asked = questions(encoder)[:2]
    for method in ("integrated_gradients", "input_x_gradient", "feature_ablation"):
        small, large = (
            Attributor(model, batch_tokens=n).attribute(asked, METHODS[method]) for n in (1, 4096)
        )
        for one, other in zip(small, large, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_swapping_target_and_foil_turns_every_sign(opened, method):
    """What speaks for the one speaks against the other."""
    model, encoder = opened
    forth = Attributor(model).attribute(questions(encoder, " w", " b"), METHODS[method])
    back = Attributor(model).attribute(questions(encoder, " b", " w"), METHODS[method])

    for one, other in zip(forth, back, strict=True):
        assert one.scores == pytest.approx([-score for score in other.scores], abs=1e-4)


@pytest.mark.parametrize("method", ["input_x_gradient", "feature_ablation", "shapley_value_sampling"])
def test_a_sequence_is_the_sum_of_its_tokens(opened, method):
    """The scores of two tokens are those of the first, and those of the second after it."""
    model, encoder = opened
    whole = encoder.question(TEXTS[0], " we", None)
    assert len(whole.target) > 1
    parts = []
    for i, token in enumerate(whole.target):
        read = (*whole.ids, *whole.target[:i])
        parts.append(EncodedQuestion(read, whole.explained, whole.tokens, whole.offsets, (token,), None))
    (of_whole,) = Attributor(model).attribute([whole], METHODS[method])
    of_parts = [found.scores for found in Attributor(model).attribute(parts, METHODS[method])]

    assert of_whole.scores == pytest.approx([sum(each) for each in zip(*of_parts, strict=True)], abs=1e-4)


def _of_embeddings(model, question):
    """Return the contrast as a function of embeddings, with the prompt's and the baseline's, written plainly."""
    embedding = model.get_input_embeddings()
    inputs = embedding(torch.tensor([question.ids])).detach()
    baselines = inputs.clone()
    baselines[:, list(question.explained)] = embedding.weight.mean(0).detach()

    def contrast(embeddings):
        logits = model(inputs_embeds=embeddings).logits[:, -1]
        return logits[:, question.target[0]] - logits[:, question.foil[0]]

    return contrast, inputs, baselines


def test_integrated_gradients_are_captums(opened):
    """Halving parts of the path gives what captum gives with many steps over the whole of it."""
    model, encoder = opened
    model.eval()
    question = questions(encoder)[0]
    contrast, inputs, baselines = _of_embeddings(model, question)
    start = baselines.clone()
    start[:, 0] = inputs[:, 0]
    alone = float((contrast(start) - contrast(baselines)).detach())
    plain = IntegratedGradients(contrast).attribute(inputs, baselines=start, n_steps=300).sum(-1)[0].tolist()
    (found,) = Attributor(model).attribute([question])

    starts = len(question.ids) - len(question.explained)
    expected = [plain[i] + (alone if i == 0 else 0) for i in question.explained]
    assert found.scores == pytest.approx(expected, abs=0.02)
    assert starts == 1 or alone != 0  # the first token of a text without a start token enters by itself


def test_occlusion_is_done_by_hand(opened):
    """In float64, a score is the change when that token alone becomes the baseline; captum's own loop agrees."""
    model, encoder = opened
    model.eval()
    question = questions(encoder)[2]
    contrast, inputs, baselines = _of_embeddings(model, question)
    by_hand = []
    for place in question.explained:
        without = inputs.clone()
        without[:, place] = baselines[:, place]
        by_hand.append(float((contrast(inputs) - contrast(without)).detach()))
    mask = torch.arange(inputs.shape[1])[None, :, None]
    plain = FeatureAblation(contrast).attribute(inputs, baselines=baselines, feature_mask=mask)[0, :, 0]
    (found,) = Attributor(model).attribute([question], METHODS["feature_ablation"])

    assert found.scores == pytest.approx(by_hand, abs=1e-9)
    assert found.scores == pytest.approx(plain[list(question.explained)].tolist(), abs=1e-6)


class Linear(torch.nn.Module):
    """Logits are a fixed linear map of the weighted sum of embeddings, so attributions are known."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(10, 4)
        self.head = torch.nn.Linear(4, 10)
        self.weights = torch.tensor([0.5, -2.0, 1.0])

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids=None, inputs_embeds=None, **_):
        read = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        return SimpleNamespace(logits=self.head((read * self.weights[:, None]).cumsum(1)))


def linear_question(explained=(0, 1, 2)):
    places = tuple((i, i + 1) for i in explained)
    return EncodedQuestion((3, 1, 4), explained, tuple("abc"[i] for i in explained), places, (2,), (6,))


@pytest.mark.parametrize("method", ["integrated_gradients", "feature_ablation", "shapley_value_sampling"])
@pytest.mark.parametrize("explained", [(0, 1, 2), (1, 2)])
def test_linear_model_has_its_weights_as_attribution(method, explained):
    """On a linear model a token's score is its weight times what it changes against the baseline, by every method."""
    model = Linear()
    direction = (model.head.weight[2] - model.head.weight[6]).detach()
    changes = (model.embedding.weight[[3, 1, 4]] - model.embedding.weight.mean(0)).detach()
    expected = (model.weights * (changes @ direction))[list(explained)].tolist()

    (found,) = Attributor(model).attribute([linear_question(explained)], METHODS[method])

    assert found.scores == pytest.approx(expected, abs=1e-5)
    assert abs(found.delta) < 1e-5


class Steep(Linear):
    """The first two tokens switch the third one on, suddenly."""

    def forward(self, input_ids=None, inputs_embeds=None, **_):
        read = self.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        switch = torch.sigmoid(4000 * (read[:, :2].sum((1, 2)) - self.threshold))
        return SimpleNamespace(logits=self.head(read * switch[:, None, None]))


class TestSteep:
    @pytest.fixture
    def model(self):
        model = Steep()
        first, second = (model.embedding.weight[token].detach().sum() for token in (3, 1))
        model.threshold = float(first + 0.63 * second + 0.37 * model.embedding.weight.detach().mean(0).sum())
        return model

    def test_a_step_is_found(self, model):
        """Where the function jumps, the path is refined there until the scores add up, with few points elsewhere."""
        (found,) = Attributor(model).attribute([linear_question()])

        assert found.converged
        assert 16 < found.steps < 512

    def test_what_is_not_complete_is_marked(self, model, monkeypatch):
        """With too few points the scores miss the change, and the record says so."""
        monkeypatch.setattr("gptaudit.attribution.path.MOST_POINTS", 16)
        (found,) = Attributor(model).attribute([linear_question((1, 2))])

        assert abs(found.delta) > 0.01
        assert found.converged is False


class TestLeftAsFound:
    def state(self, model):
        return (
            [module.training for module in model.modules()],
            [parameter.requires_grad for parameter in model.parameters()],
            [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
            model.config._attn_implementation,
            id(model.get_output_embeddings()),
            torch.random.get_rng_state().tolist(),
        )

    @pytest.mark.parametrize("fails", [False, True])
    def test_the_model_is_as_before(self, opened, fails, monkeypatch):
        """Modes, gradients, hooks, attention and head are the caller's again, also after an error."""
        model, encoder = opened
        model.train()
        next(model.parameters()).requires_grad_(requires_grad=False)
        before, weights = self.state(model), copy.deepcopy(model.state_dict())
        if fails:
            monkeypatch.setattr(torch.Tensor, "lerp", lambda *_: 1 / 0)
        try:
            for method in METHODS.values():
                Attributor(model).attribute(questions(encoder), method)
        except ZeroDivisionError:
            assert fails

        assert self.state(model) == before
        assert all(torch.equal(weights[name], now) for name, now in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())


class TestRefused:
    def test_embeddings_that_are_read_otherwise(self, opened):
        """A model that computes something else from embeddings than from tokens is not explained."""
        model, encoder = opened
        plain = type(model).forward

        def scaled(self, input_ids=None, inputs_embeds=None, **given):
            return plain(
                self, input_ids, inputs_embeds=None if inputs_embeds is None else 3 * inputs_embeds, **given
            )

        model.forward = scaled.__get__(model)
        with pytest.raises(BackendError, match="read as embeddings"):
            Attributor(model).attribute(questions(encoder))

    def test_no_finite_number(self, opened):
        """Gradients that are no numbers leave a failure, not scores."""
        model, encoder = opened
        question = questions(encoder)[0]
        with torch.no_grad():
            model.get_input_embeddings().weight[9] = float("inf")  # a token of the mean, not of the prompt
        assert 9 not in question.ids

        (found,) = Attributor(model).attribute([question])

        assert found.reason == "not-finite"

    @pytest.mark.parametrize(
        ("prompt", "target", "foil", "said"),
        [
            ("", " he", " she", "prompt is empty"),
            ("The harbour", "", " she", "'' has no token"),
            ("The harbour", " he", " he", "the same tokens"),
            ("A nu", "rse", " she", "joins the last token"),
        ],
    )
    def test_questions(self, gpt2_folder, prompt, target, foil, said):
        """What cannot be compared is refused with what is wrong."""
        model, tokenizer = (
            kind.from_pretrained(gpt2_folder) for kind in (AutoModelForCausalLM, AutoTokenizer)
        )
        with pytest.raises(UsageError, match=said):
            attribute(model, tokenizer, prompt, target, foil)

    def test_a_word_that_the_vocabulary_lacks(self):
        """Where it would be the token of all unknown words, it is refused, unless that token itself is meant."""
        encoder = Encoder(tokenizer_of(["The harbour was quiet."]))

        assert "the vocabulary lacks ' zebra'" in encoder.question("The harbour", " was", " zebra").message
        assert encoder.question("The harbour", " was", "<unk>").foil == (1,)

    @pytest.mark.parametrize("method", ["lime", "occlusion"])
    def test_methods(self, opened, method):
        """An unknown method, and one that only asks, is answered with those there are."""
        model, encoder = opened
        with pytest.raises(UsageError, match="shapley_value_sampling"):
            attribute(model, encoder._tokenizer, "The harbour", " he", " she", method)

    def test_quantised(self, opened):
        """A quantised model is explained by what needs no gradients."""
        model, encoder = opened
        model.is_quantized = True
        with pytest.raises(UsageError, match="feature_ablation"):
            Attributor(model).attribute(questions(encoder))

        assert Attributor(model).attribute(questions(encoder), METHODS["feature_ablation"])[0].scores
