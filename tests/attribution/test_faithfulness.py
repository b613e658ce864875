"""Comprehensiveness and sufficiency against sums by hand, and shuffled weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from planted_model import HEADS, LAYERS, PlantedExplainer

from gptaudit.attribution.faithfulness import check_scores, rank_correlation, shuffled
from gptaudit.attribution.methods import METHODS
from gptaudit.attribution.orders import Curve, mean_curve
from gptaudit.protocols.attribution import EmbeddingMethod

OCCLUSION = next(method for method in METHODS if method.name == "feature_ablation")
WORDS = {" nurse": 3.0, " again": 1.0, " said": -0.5, " that": 0.25}


@pytest.fixture
def explainer():
    """Return the explainer of a model that adds up the numbers of the words, with a baseline of zero."""
    reads = torch.zeros(LAYERS, HEADS, 3, dtype=torch.float64)
    reads[0, 0, 0] = 1
    text = "The nurse said again that he"
    found = PlantedExplainer(
        [text, "The nurse said again that she"], {w: [v, 0, 0] for w, v in WORDS.items()}, reads
    )
    found.attributor.__dict__["baseline"] = torch.zeros(3, dtype=torch.float64)
    return found


@pytest.mark.parametrize("sign", [1, -1])
def test_by_hand(explainer, sign):
    """Of five tokens the shares of the paper take one, one, one, one and three; random orders do worse."""
    sides = (" he", " she")[::sign]
    question = explainer.backend.encoder.question("The nurse said again that", *sides)
    scores = [sign * WORDS.get(token, 0.0) for token in question.tokens]
    (found,) = check_scores(explainer.attributor, [question], [scores], OCCLUSION, seed=0, moved=1)

    assert found.comprehensiveness == pytest.approx((4 * 3.0 + 4.25) / 5)
    assert found.sufficiency == pytest.approx((4 * 0.75 - 0.5) / 5)
    assert max(found.random_comprehensiveness) <= found.comprehensiveness + 1e-12
    assert min(found.random_sufficiency) >= found.sufficiency - 1e-12
    assert found.failures == ()


def test_scores_that_name_the_wrong_tokens_fail(explainer):
    """Turned around, the same scores are worse than random orders."""
    question = explainer.backend.encoder.question("The nurse said again that", " he", " she")
    turned = [-WORDS.get(token, 0.0) for token in question.tokens]
    (found,) = check_scores(explainer.attributor, [question], [turned], OCCLUSION, seed=0, moved=0)

    assert "random order" in found.failures[0]
    assert found.sensitivity is None


def test_the_mean_curve_of_prompts_of_two_lengths():
    """It has a value wherever one of them has a step, and the area under it is the mean of theirs."""
    two = Curve((0.0, 0.5, 1.0), (4.0, 1.0, 0.0), ((4.0, 2.0, 0.0),), 1.5, (2.0,))
    four = Curve((0.0, 0.25, 1.0), (2.0, 1.0, 0.0), ((2.0, 2.0, 0.0),), 0.75, (1.25,))
    found = mean_curve([two, four])

    assert found.shares == (0.0, 0.25, 0.5, 1.0)
    assert found.values == pytest.approx((3.0, (2.5 + 1.0) / 2, (1.0 + 2 / 3) / 2, 0.0))
    assert found.random_values == (pytest.approx((3.0, 2.5, (2.0 + 4 / 3) / 2, 0.0)),)
    assert np.trapezoid(found.values, found.shares) == pytest.approx(found.area) == pytest.approx(1.125)
    assert found.random_areas == pytest.approx((1.625,))


def test_shuffled_weights_are_a_copy(explainer):
    """The copy has the same numbers in other places, and the model keeps its own."""
    model = explainer.backend.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    other = shuffled(model, seed=0)

    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.flatten().sort().values, two.flatten().sort().values)
    assert not torch.equal(model.embedding.weight, other.embedding.weight)


def test_rank_correlation_is_spearmans():
    """For all orders of four values it is 1 - 6 sum d^2 / (n (n^2 - 1))."""
    for order in itertools.permutations(range(4)):
        expected = 1 - 6 * sum((place - rank) ** 2 for place, rank in enumerate(order)) / (4 * 15)
        assert rank_correlation([0.1, 0.2, 5.0, 7.0], order) == pytest.approx(expected)


class TestPerturbations:
    @pytest.fixture
    def question(self, explainer):
        return explainer.backend.encoder.question("The nurse said again that", " he", " she")

    def checked(self, explainer, question, scores, method=OCCLUSION):
        return check_scores(explainer.attributor, [question], [scores], method, seed=0, moved=1)[0]

    def test_infidelity_by_hand(self, explainer, question):
        """Words that add up are foreseen exactly; each error of a score counts as often as its token goes."""
        true = [WORDS.get(token, 0.0) for token in question.tokens]
        wrong = [
            score + (2.0 if token == " said" else 0.0)
            for token, score in zip(question.tokens, true, strict=True)
        ]
        shares = [self.checked(explainer, question, scores).infidelity / 4 for scores in (true, wrong)]

        assert shares[0] == pytest.approx(0, abs=1e-9)
        assert 0.2 < shares[1] < 0.8
        assert shares[1] * 20 == pytest.approx(round(shares[1] * 20))
        assert min(self.checked(explainer, question, true).random_infidelity) > 1

    def test_sensitivity_of_a_linear_model_is_small(self, explainer, question):
        """Where scores are linear in the embeddings, moves of a hundredth change them by at most a few hundredths."""
        true = [WORDS.get(token, 0.0) for token in question.tokens]
        found = self.checked(explainer, question, true)

        assert 0 < found.sensitivity < 0.03

    def test_scores_of_chance_are_not_stable(self, explainer, question):
        """A method whose scores have nothing to do with the prompt fails, whatever else it does."""
        drawn = torch.Generator().manual_seed(1)

        def compute(asked, seed):
            return torch.randn(asked.explained.shape, generator=drawn), [1] * len(asked.rows)

        true = [WORDS.get(token, 0.0) for token in question.tokens]
        found = self.checked(explainer, question, true, EmbeddingMethod("chance", "chance", compute))

        assert found.sensitivity > 1
        assert "times their size" in found.failures[0]
