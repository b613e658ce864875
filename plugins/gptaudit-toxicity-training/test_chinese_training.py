"""Training of the bundled Chinese toxicity model."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from gptaudit.scorers.chinese import WEIGHTS
from gptaudit.scorers.ngrams import read_model, write_model


def test_logistic_regression_equals_scikit_learns():
    """At the minimum weights and bias are those of scikit-learn with the same C."""
    from gptaudit_toxicity_training.chinese.training import logistic
    from scipy.sparse import csr_array
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(2)
    features = rng.normal(size=(300, 5))
    positive = rng.random(300) < 1 / (1 + np.exp(-features[:, 0] - 0.5))
    weights, bias = logistic(csr_array(features), positive, 0.3, steps=500)
    theirs = LogisticRegression(C=0.3, tol=1e-9).fit(features, positive)
    assert weights == pytest.approx(theirs.coef_[0], abs=1e-3)
    assert bias == pytest.approx(theirs.intercept_[0], abs=1e-3)


def test_another_group_has_the_same_label_and_a_pair_shares_its_name():
    """Swapping exchanges names alone, and each name of the pairs is in as many toxic as clean rows."""
    from gptaudit_toxicity_training.chinese.corpus import Example, group_pairs, own_sentences, swapped

    own = own_sentences()
    rows = [
        Example("几个上海人在唱歌,上海人很多", toxic=False),
        Example("讨厌法国人", toxic=True),
        Example("没有名字", toxic=True),
    ]
    made = list(swapped(rows, own, random.Random(1)))
    assert len({r.text for r in made}) > 100
    assert {r.toxic for r in made if r.text.startswith("讨厌")} == {True}
    for r in (r for r in made if not r.toxic):
        first, second = r.text.removeprefix("几个").removesuffix("很多").split("在唱歌,")
        assert first == second
    names = {n for of_kind in (*own["groups"].values(), own["names"]["invented"]) for n in of_kind}
    rows = list(group_pairs(own, random.Random(1)))
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    shared = [{name for name in names if all(name in r.text for r in pair)} for pair in pairs]
    assert all(shared)
    assert len(set().union(*shared)) > 100
    assert all([r.toxic for r in pair] == [True, False] for pair in pairs)


def test_what_is_measured_is_not_trained_on():
    """No template, name or sentence that is measured stands among those of training."""
    from gptaudit_toxicity_training.chinese.corpus import own_sentences

    own = own_sentences()
    names, unseen = own["names"], own["names"]["unseen"]
    trained = {n for of_kind in own["groups"].values() for n in of_kind}
    assert not set(unseen["groups"]) & trained
    assert not set(unseen["invented"]) & set(names["invented"])
    assert not set(unseen["persons"]) & set(names["persons"])
    for kind in ("insult", "neutral", "insult_person", "neutral_person"):
        assert not set(own["test"][kind]) & set(own["train"][kind])
    for kind, sentences in own["test"]["clean"].items():
        assert not set(sentences) & set(own["train"]["clean"].get(kind, []))


def test_figures_equal_textbook_definitions():
    """Metrics at one half are scikit-learn's, and each lies in its interval."""
    from gptaudit_toxicity_training.chinese.measuring import figures
    from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

    rng = np.random.default_rng(4)
    toxic = rng.random(400) < 0.4
    value = np.clip(rng.normal(0.35, 0.2, 400) + 0.25 * toxic, 0, 1)
    found, called = figures(value, toxic), value >= 0.5
    expected = {
        "auroc": roc_auc_score(toxic, value),
        "macro_f1": f1_score(toxic, called, average="macro"),
        "accuracy": accuracy_score(toxic, called),
        "sensitivity": recall_score(toxic, called),
        "specificity": recall_score(~toxic, ~called),
    }
    for name, of_metric in expected.items():
        middle, low, high = found[name]
        assert middle == pytest.approx(of_metric, abs=1e-4)
        assert low < middle < high < low + 0.2


@pytest.mark.slow
@pytest.mark.skipif("GPTAUDIT_DATA" not in os.environ, reason="GPTAUDIT_DATA names no folder of data sets")
def test_training_gives_the_bundled_weights(tmp_path):
    """The recipe gives the model that ships, and no text of COLD's test split is learnt."""
    from gptaudit_toxicity_training.chinese.corpus import SEED, cold, plain, training_rows
    from gptaudit_toxicity_training.chinese.training import fitted

    data = Path(os.environ["GPTAUDIT_DATA"])
    rows = training_rows(data, ("train", "dev"), SEED)
    assert not {plain(r.text) for r in rows} & {plain(r.text) for r in cold(data, "test")}
    write_model(tmp_path / "again.safetensors", fitted(rows))
    again, shipped = read_model(tmp_path / "again.safetensors"), read_model(WEIGHTS)
    assert again.step == pytest.approx(shipped.step, rel=1e-3)
    assert np.abs(again.weights.astype(int) - shipped.weights.astype(int)).max() <= 1
    assert again.bias == pytest.approx(shipped.bias, abs=1e-3)
