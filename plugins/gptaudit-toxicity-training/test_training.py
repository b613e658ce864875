"""Training of the bundled toxicity model."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from gptaudit.scorers.detoxify import BUNDLED, open_detoxify


def test_auroc_equals_its_textbook_definition():
    """The area equals scikit-learn's, with ties, the interval DeLong's; copies in one cluster do not narrow it."""
    import numpy as np
    from gptaudit_toxicity_training.training import auroc
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(3)
    positive = rng.random(300) < 0.4
    scores = np.round(rng.normal(size=300) + positive, 1)
    rows = [str(i) for i in range(300)]
    area, low, high = auroc(scores, positive, rows)
    assert area == pytest.approx(roc_auc_score(positive, scores))
    wins = np.heaviside(scores[positive][:, None] - scores[~positive][None, :], 0.5)
    delong = wins.mean(1).var(ddof=1) / positive.sum() + wins.mean(0).var(ddof=1) / (~positive).sum()
    assert high - low == pytest.approx(2 * 1.959964 * math.sqrt(delong), rel=0.01)
    _, low4, high4 = auroc(np.tile(scores, 4), np.tile(positive, 4), rows * 4)
    assert high4 - low4 == pytest.approx(high - low)


def test_unknown_labels_do_not_enter_the_loss():
    """The loss is the hand-computed cross-entropy of the known labels, divided by the number of rows."""
    import torch
    from gptaudit_toxicity_training.training import MaskedTrainer

    logits = torch.tensor([[0.0, 2.0], [-1.0, 5.0]], requires_grad=True)

    class Output:
        def __init__(self):
            self.logits = logits

    labels = torch.tensor([[1.0, math.nan], [0.0, math.nan]])
    loss = MaskedTrainer.compute_loss(None, Output, {"labels": labels})
    assert loss.item() == pytest.approx((math.log(2) + math.log1p(math.exp(-1))) / 2)
    loss.backward()
    assert logits.grad[:, 1].tolist() == [0, 0]


def test_own_training_sentences_keep_to_their_rules():
    """Real groups are never insulted, and no training sentence has a held-out predicate."""
    import tomllib

    from gptaudit_toxicity_training.corpus import OWN_SENTENCES, own_sentences

    words = tomllib.loads(OWN_SENTENCES.read_text())
    real = {name.lower() for kind in words["subjects"].values() for name in kind["real"]}
    rows = list(own_sentences())
    predicates = {split: {r.cluster for r in rows if r.split == split} for split in ("train", "test")}
    assert not predicates["train"] & predicates["test"]
    insults = [r for r in rows if r.labels[0] == 1]
    assert insults
    assert not [r.text for r in insults if any(r.text.lower().startswith(name) for name in real)]


@pytest.mark.slow
@pytest.mark.skipif("GPTAUDIT_DATA" not in os.environ, reason="GPTAUDIT_DATA names no folder of data sets")
def test_the_card_is_reproduced_from_the_data():
    """Metrics computed again on three held-out sets equal the card's, and no held-out text was trained on."""
    from gptaudit_toxicity_training.corpus import load_corpus, normalised
    from gptaudit_toxicity_training.training import measure

    scorer = open_detoxify("bundled")
    rows = load_corpus(Path(os.environ["GPTAUDIT_DATA"]))
    learned = {normalised(r.text) for r in rows if r.split == "train"}
    held_out = [r for r in rows if r.split == "test"]
    assert not [r.text for r in held_out if normalised(r.text) in learned]
    sampled = ("hatemoji", "realtoxicityprompts", "own-sentences")
    again = measure(scorer, [r for r in held_out if r.source in sampled])["held_out"]
    card = json.loads((BUNDLED / "card.json").read_text())["held_out"]
    for source in sampled:
        for label, expected in card[source].items():
            assert again[source][label] == pytest.approx(expected, abs=2e-3), (source, label)
