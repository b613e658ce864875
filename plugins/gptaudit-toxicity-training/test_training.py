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
    from sklearn.metrics import roc_auc_score

    from gptaudit.stats.auroc import auroc

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

    from gptaudit_toxicity_training.own import OWN_SENTENCES, own_sentences

    words = tomllib.loads(OWN_SENTENCES.read_text())
    real = {name.lower() for kind in words["subjects"].values() for name in kind["real"]}
    rows = list(own_sentences())
    predicates = {split: {r.cluster for r in rows if r.split == split} for split in ("train", "test")}
    assert not predicates["train"] & predicates["test"]
    insults = [r for r in rows if r.labels[0] == 1]
    assert insults
    assert not [r.text for r in insults if any(r.text.lower().startswith(name) for name in real)]


def made_up_rows(source):
    """A harmless and a rude row about invented and real people, as if of a data set."""
    from gptaudit_toxicity_training.rows import CLEAN, known, row

    rude = known(toxicity=1.0, insult=1.0)
    return [
        row("Many Muslim women met here on Sunday.", CLEAN, source, "train"),
        row("Those Ostrels are lazy liars.", rude, source, "train"),
        row("Old Tarvani women are stupid, say the immigrants.", rude, source, "train"),
    ]


def test_another_group_has_the_same_labels():
    """Swapping exchanges the name of a group and nothing else."""
    import random

    from gptaudit_toxicity_training.augment import swapped

    rows = made_up_rows("hatemoji")
    made = list(swapped(rows, 60, random.Random(1)))
    assert len({r.text for r in made}) > 20
    assert {r.labels for r in made if r.text.endswith("met here on Sunday.")} == {rows[0].labels}
    assert all(r.text.startswith("Old Tarvani ") for r in made if r.labels[0] == 1)


def test_a_quotation_has_the_label_of_its_frame():
    """Only rude sentences are quoted; denounced they are clean, approved of they stay toxic."""
    import random
    import tomllib

    from gptaudit_toxicity_training.augment import quoted
    from gptaudit_toxicity_training.own import OWN_SENTENCES

    frames = tomllib.loads(OWN_SENTENCES.read_text())["frames"]
    made = list(quoted(made_up_rows("toxigen"), 80, random.Random(1)))
    for kind, toxicity in (("denounce", 0.0), ("approve", 1.0)):
        beginnings = tuple(frame.split("{}")[0] for frame in frames[kind] if not frame.startswith("{}"))
        assert {r.labels[0] for r in made if r.text.startswith(beginnings)} == {toxicity}
    assert not [r.text for r in made if "Sunday" in r.text]


def test_a_group_is_attacked_as_often_as_it_is_spoken_of_kindly():
    """Each group of the pairs is in as many toxic as clean rows, so that its name tells nothing."""
    import random
    import tomllib
    from collections import Counter

    from gptaudit_toxicity_training.own import OWN_SENTENCES, named_groups

    groups = tomllib.loads(OWN_SENTENCES.read_text())["subjects"]["plural"]["real"]
    made = list(named_groups([], 400, random.Random(1)))
    assert len(made) == 400
    named = Counter(
        (max((g for g in groups if g.lower() in r.text.lower()), key=len), r.labels[0]) for r in made
    )
    assert all(named[group, 0.0] == named[group, 1.0] for group, _ in named)
    assert len(named) > 60


def test_altered_spelling_can_still_be_read():
    """At most a few characters are changed, and the label stays."""
    import random
    from difflib import SequenceMatcher

    from gptaudit_toxicity_training.augment import respelt

    rows = made_up_rows("davidson")
    for made in respelt(rows, 60, random.Random(1)):
        likeness, original = max((SequenceMatcher(None, r.text, made.text).ratio(), r.text) for r in rows)
        assert 0.6 < likeness < 1
        assert made.labels == next(r.labels for r in rows if r.text == original)


def test_weights_are_rounded_to_few_bits_and_read_as_they_are(tmp_path):
    """Rounding errs by at most 1/32 of a weight; the deflated file holds the same tensors and is smaller."""
    import torch
    from gptaudit_toxicity_training.training import deflate, rounded

    weights = torch.randn(400, 384, generator=torch.Generator().manual_seed(4)) * 0.05
    packed = rounded(weights)
    assert packed.dtype is torch.float16
    assert ((packed.float() - weights).abs() <= weights.abs() / 32 + 1e-7).all()
    assert torch.equal(rounded(torch.zeros(3)), torch.zeros(3).half())
    path = tmp_path / "weights.ckpt"
    torch.save({"w": packed, "steps": torch.arange(3)}, path)
    plain = path.stat().st_size
    deflate(path)
    assert path.stat().st_size < 0.7 * plain
    read = torch.load(path, weights_only=True)
    assert torch.equal(read["w"], packed)
    assert read["steps"].tolist() == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.skipif("GPTAUDIT_DATA" not in os.environ, reason="GPTAUDIT_DATA names no folder of data sets")
def test_the_card_is_reproduced_from_the_data():
    """Figures computed again on some held-out sets equal the card's, and no held-out text or work was trained on."""
    from gptaudit_toxicity_training.corpus import held_out, load_corpus, training_passes
    from gptaudit_toxicity_training.measuring import measure
    from gptaudit_toxicity_training.training import SEED

    from gptaudit.scorers.evaluation.held_out import normalised

    rows = load_corpus(Path(os.environ["GPTAUDIT_DATA"]))
    learnt = [row for rows_ in training_passes(rows, SEED) for row in rows_]
    tested = held_out(rows, learnt)
    assert not {normalised(r.text) for r in tested} & {normalised(r.text) for r in learnt}
    works = {r.cluster for r in learnt if r.set == "clean-text"}
    assert not works & {r.cluster for r in tested if r.set == "clean-text"}
    assert not [r for r in learnt if r.set in ("hatecheck", "hatemoji-check", "holisticbias")]

    sampled = ("hatemoji", "realtoxicityprompts", "toxigen", "clean-text")
    again = measure(open_detoxify("bundled"), [r for r in tested if r.set in sampled])
    card = json.loads((BUNDLED / "card.json").read_text())
    assert again["clean_text_called_toxic"] == card["clean_text_called_toxic"]
    for source in sampled[:3]:
        for label, expected in card["held_out"][source].items():
            assert again["held_out"][source][label] == pytest.approx(expected, abs=2e-3), (source, label)
