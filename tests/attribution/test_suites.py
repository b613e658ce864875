"""Explanations of a whole suite, on models whose heads are known."""

from __future__ import annotations

import json
import math
import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from planted_model import HEADS, LAYERS, PlantedExplainer

from gptaudit.attribution.explaining import Explainer
from gptaudit.attribution.heads import Head
from gptaudit.attribution.suites.ablating import Ablator
from gptaudit.attribution.suites.estimates import mean_of
from gptaudit.attribution.suites.explaining import Suite, explain_suite
from gptaudit.attribution.suites.items import encode, halves
from gptaudit.attribution.suites.mediation import mediate, relative_effect
from gptaudit.attribution.suites.ranking import _stability, rank
from gptaudit.attribution.suites.sentences import carried, sentences
from gptaudit.backends.decoder import open_decoder
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import UsageError
from gptaudit.plugins import load_plugins
from gptaudit.records import Counterfactual, ScoreRequest
from gptaudit.run.suite_explaining import draw, suite_to_explain

COUPLES = 24
TEMPLATES = [f"The {{}} said {word} that" for word in ("again", "today", "then", "twice", "later", "soon")]


def counterfactuals(kind):
    """Return one case for each couple of invented terms."""
    found = []
    for number in range(COUPLES):
        one, two = (f"{kind}{side}{number}" for side in "ab")
        template = TEMPLATES[number % len(TEMPLATES)]
        found.append(
            Counterfactual(
                id=f"{one}/{two}",
                cluster=f"{one}/{two}",
                first=template.format(one),
                second=template.format(two),
                target=" he",
                foil=" she",
                slot="term",
                places=(((4, 4 + len(one)),), ((4, 4 + len(two)),)),
                rest=" would be late.",
                axis="gender",
            )
        )
    return found


WORK, TRUTH = counterfactuals("work"), counterfactuals("truth")
SUITE = Suite("work", "Work", WORK, len(WORK), facts=TRUTH)


def planted(reads, *, stereotype=1.0, seed=0):
    """Return the explainer of a model whose heads read features; every term has noise of its own."""
    drawn = random.Random(seed)
    features = {}
    for kind, place, size in (("work", 0, stereotype), ("truth", 1, 1.0)):
        for number in range(COUPLES):
            for sign, side in ((1, "a"), (-1, "b")):
                of_word = [0.0, 0.0, drawn.gauss(0, 0.5)]
                of_word[place] = sign * size * drawn.uniform(0.8, 1.2)
                features[f" {kind}{side}{number}"] = of_word
    table = torch.zeros(LAYERS, HEADS, 3, dtype=torch.float64)
    for head, of_head in reads.items():
        table[head] = torch.tensor(of_head, dtype=torch.float64)
    texts = [
        text + end + case.rest
        for case in (*WORK, *TRUTH)
        for text in (case.first, case.second)
        for end in (case.target, case.foil)
    ]
    return PlantedExplainer([*texts, "The harbour was quiet before the storm."], features, table)


STEREOTYPE, TRUE, NOISE = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.3]
APART = {(0, 1): STEREOTYPE, (1, 2): TRUE, (1, 0): NOISE, (0, 3): NOISE}
TOGETHER = {(0, 1): [1.0, 1.0, 0.0], (1, 0): NOISE, (0, 3): NOISE}


@pytest.fixture(scope="module")
def apart():
    return explain_suite(planted(APART), SUITE)


class TestPlanted:
    def test_the_head_is_found_and_goes(self, apart):
        """The planted head is first, is confirmed, and without it the difference is gone, as without no other."""
        after = apart.proof.after

        assert apart.heads.confirmed[0].head == "0.1"
        assert apart.heads.confirmed[0].effect.differs
        assert apart.heads.stability.first_stays > 0.95
        assert (apart.proof.chosen, after.heads) == (1, ("0.1",))
        assert apart.proof.before.gap.value == pytest.approx(2, abs=0.3)
        assert abs(after.gap.value) < 0.3
        assert after.removed.low > 0.5
        assert min(after.at_random) > 1.5
        assert carried(apart.proof)

    def test_what_is_true_stays_with_its_own_head(self, apart):
        """Where another head carries the fact, the control says that it stays."""
        assert "What is true stays" in apart.sentences[1]
        assert apart.proof.after.fact.value == pytest.approx(apart.proof.before.fact.value)

    def test_a_head_that_carries_both_is_said_to(self):
        """Where one head carries stereotype and fact, taking it out is no remedy, and the sentence says so."""
        found = explain_suite(planted(TOGETHER), SUITE)

        assert found.proof.after.fact_removed.low > 0.9
        assert "they carry gender knowledge, not only the stereotype" in found.sentences[1]

    def test_words_add_up_to_the_difference(self, apart):
        """The term adds all of it in a model that reads nothing else."""
        term, others = apart.tokens.slots

        assert term.score.value == pytest.approx(apart.gap.value, abs=1e-6)
        assert others.score.value == pytest.approx(0, abs=1e-6)
        assert apart.tokens.first_in_pairs == 1
        assert apart.tokens.faithfulness.failures == ()

    def test_the_record_is_json(self, apart):
        """Every figure is a number or null."""
        read = json.loads(apart.to_json())

        assert read["schema"] == "gptaudit.suite-explanation/1"
        assert read["proof"]["points"][1]["heads"] == ["0.1"]

    def test_the_model_is_left_as_it_was(self):
        """No hook stays, and gradients and mode are the caller's, also where the work is interrupted."""
        explainer = planted(APART)
        model = explainer.backend.model.train()

        def interrupt(step):
            if step.done > 1000:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            explain_suite(explainer, SUITE, progress=interrupt)
        assert not any(module._forward_pre_hooks for module in model.modules())
        assert all(parameter.requires_grad for parameter in model.parameters())
        assert all(module.training for module in model.modules())


def test_no_head_is_said_to_carry_what_is_not_there():
    """On models without a stereotype, whose heads add noise, at most one of twelve explanations claims a head."""
    claims = 0
    for seed in range(12):
        explainer = planted(APART, stereotype=0.0, seed=seed)
        items, _ = encode(explainer.backend.encoder, WORK, 64)
        chosen_on, proved_on = halves(items, seed)
        ablator = Ablator(explainer.heads(), "mean", seed, lambda prompts: None)
        gap = mean_of(ablator.gaps(chosen_on, [()])[0], chosen_on, seed)
        ranking = rank(ablator.heads, chosen_on, "mean", gap.value, seed)
        found = ablator.prove(ranking, ablator.choose(ranking, chosen_on), proved_on, explainer.controls)
        claims += carried(found)

    assert claims <= 1


def test_halves_share_no_cluster():
    """No term on which heads are chosen is among those on which they are proved."""
    explainer = planted(APART)
    items, left_out = encode(explainer.backend.encoder, WORK, 64)
    one, other = halves(items, 3)

    assert not left_out
    assert len(one) == len(other) == COUPLES // 2
    assert not {item.case.cluster for item in one} & {item.case.cluster for item in other}


def test_equal_heads_take_turns():
    """Of two heads that are as good, each is first in about half of the resamples; a clear first one always is."""
    noise = np.random.default_rng(0).normal(size=(200, 2))
    clusters = [str(number) for number in range(200)]
    equal = noise - noise.mean(0)
    turns = _stability(equal, clusters, np.array([0, 1]), 0)
    clear = _stability(np.add(equal, [1.0, 0.0]), clusters, np.array([0, 1]), 0)

    assert 0.4 < turns.first_stays < 0.6
    assert clear.first_stays == 1


class TestMediation:
    def test_by_hand(self):
        """Of two heads that add 0.7 and 0.4 of a feature that is 1 and -1, all effects follow from the odds."""
        explainer = planted({})
        model = explainer.backend.model
        with torch.no_grad():
            model.embedding.weight[:, 2] = 0
            model.embedding.weight[:, 0] = model.embedding.weight[:, 0].sign()
            model.reads[0, 1, 0], model.reads[1, 2, 0] = 0.7, 0.4
        items, _ = encode(explainer.backend.encoder, WORK[:3], 64)
        found = mediate(explainer.heads(), items, [[Head(0, 1)], [Head(0, 1), Head(1, 2)], [Head(0, 0)]])

        assert found.total.tolist() == pytest.approx([math.exp(2.2) - 1] * 6, rel=1e-9)
        for effects, expected in (
            (found.indirect, [math.exp(1.4) - 1, math.exp(2.2) - 1, 0]),
            (found.direct, [math.exp(0.8) - 1, 0, math.exp(2.2) - 1]),
        ):
            assert effects.mean(1).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-12)

    @pytest.mark.skipif(
        "GPTAUDIT_DATA" not in os.environ, reason="GPTAUDIT_DATA, a folder of data sets, is not set"
    )
    @pytest.mark.parametrize(
        ("model", "total", "indirect", "direct"),
        [("gpt2", 0.249, 0.182, 0.079), ("distilgpt2", 0.118, 0.033, 0.087)],
    )
    def test_published_effects(self, model, total, indirect, direct):
        """The published effects follow from the stored probabilities, or average the stored effects."""
        name = f"causal-mediation/attention_intervention_{model}_filtered_dev.json"
        published = json.loads((Path(os.environ["GPTAUDIT_DATA"]) / name).read_text("utf-8"))
        rows = published["results"]

        def odds(when):
            pairs = [[row[f"candidate{i}_{when}_prob"] for i in (2, 1)] for row in rows]
            return torch.tensor([second / first for second, first in pairs], dtype=torch.float64)

        effects = relative_effect(odds("alt"), odds("base"))
        assert effects.tolist() == pytest.approx([row["total_effect"] for row in rows], rel=1e-5)
        assert float(effects.mean()) == pytest.approx(total, abs=5e-4)
        for key, expected in (("indirect", indirect), ("direct", direct)):
            mean = sum(row[f"{key}_effect_model"] for row in rows) / len(rows)
            assert mean == pytest.approx(expected, abs=5e-4)


class TestRefused:
    def test_too_few(self):
        """Without five clusters in either half, nothing could be proved."""
        with pytest.raises(UsageError, match=r"at least 10 independent units.*found 8"):
            explain_suite(planted(APART), replace(SUITE, drawn=WORK[:8]))

    def test_too_long(self):
        """Prompts that the model cannot read are counted with the reason."""
        explainer = planted(APART)
        explainer.backend.window = 3
        with pytest.raises(UsageError, match="24 are left out: longer than the 3 tokens"):
            explain_suite(explainer, SUITE)


def test_the_difference_between_whole_sentences_is_the_suites_own():
    """It is the mean over pairs of the two leads whose sum `run` calls the association."""
    plugins = load_plugins()
    explainer = Explainer(open_decoder("reference", TorchOptions(device="cpu")))
    suite = suite_to_explain(plugins, "gender-occupation", explainer, data=None, limit=10, seed=0)
    items, _ = encode(explainer.backend.encoder, suite.drawn, explainer.backend.window)
    whole = Ablator(explainer.heads(), "mean", 0, lambda prompts: None).whole_gaps(items, [()])[0]

    requests = [
        ScoreRequest("", prompt + end + case.rest)
        for case in suite.drawn
        for prompt in (case.first, case.second)
        for end in (case.target, case.foil)
    ]
    scores = [found.logprob for found in explainer.backend.score(requests)]
    leads = [one - other for one, other in zip(scores[::2], scores[1::2], strict=True)]
    assert whole.tolist() == pytest.approx(
        [one - other for one, other in zip(leads[::2], leads[1::2], strict=True)], abs=1e-3
    )


class TestDraw:
    @pytest.mark.parametrize("limit", [5, 12, 30, 1000])
    def test_a_sample_has_as_many_clusters_as_there_may_be(self, limit):
        """No more cases than the limit, and of each cluster as many as fit, from different templates."""
        cases = [
            replace(WORK[0], id=f"{cluster}/{template}", cluster=str(cluster), crossed=str(template))
            for cluster in range(12)
            for template in range(4)
        ]
        found = draw(cases, limit, 0)

        assert len(found) == min(limit, 24 if limit == 30 else 48)
        assert len({case.cluster for case in found}) == min(limit, 12)
        if limit == 12:
            assert {case.crossed for case in found} == {"0", "1", "2", "3"}


class TestSentences:
    @pytest.mark.parametrize(
        ("low", "high", "at_random", "said"),
        [
            (
                0.6,
                1.0,
                (1.7, 2.3),
                "Without 1 of 8 attention heads (0.1), 80 % (60 to 100 %) of the difference",
            ),
            (-0.1, 1.0, (1.7, 2.3), "that a few heads carry it is not shown"),
            (0.6, 1.0, (0.3, 2.3), "that a few heads carry it is not shown"),
        ],
    )
    def test_a_claim_needs_an_interval_above_zero_and_more_than_any_random_heads(
        self, apart, low, high, at_random, said
    ):
        """Otherwise the same figures are given, and nothing is claimed."""
        first, chosen, *others = apart.proof.points
        chosen = replace(
            chosen,
            gap=replace(chosen.gap, value=0.4),
            removed=replace(chosen.removed, value=0.8, low=low, high=high),
            at_random=at_random,
        )
        proof = replace(apart.proof, points=(first, chosen, *others))

        assert said in sentences(apart.heads, proof, "gender")[0]
