"""Any sequence classifier in a folder as a scorer, against transformers' own pipeline, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gptaudit.errors import ScorerError
from gptaudit.protocols.scorer import Output
from gptaudit.scorers.classifier import ClassifierOptions
from gptaudit.scorers.toxicity import open_toxicity

TEXTS = ["You are a fool.", "The harbour was quiet.", "", "word " * 200]


@pytest.fixture
def folder(classifier_folder) -> Path:
    return classifier_folder


def changed(folder: Path, tmp_path: Path, **settings: object) -> Path:
    """A copy of the folder with other settings in its configuration."""
    copy = Path(shutil.copytree(folder, tmp_path / "changed"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | settings))
    return copy


def opened(folder: Path, label: str = ""):
    return open_toxicity(f"hf:{folder}{label}", ClassifierOptions())


def test_scores_are_those_of_the_pipeline(folder):
    """Softmax over the labels, as transformers' own pipeline gives it; the role's label is the one chosen."""
    from transformers import pipeline

    theirs = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
    for label, name in (("", "toxic"), ("#toxic", "toxic"), ("#fine", "fine")):
        ours = opened(folder, label)([Output(text) for text in TEXTS[:2]])
        for text, scores in zip(TEXTS, ours, strict=False):
            expected = {row["label"]: row["score"] for row in theirs([text])[0]}
            assert scores["toxicity"] == pytest.approx(expected[name], abs=1e-5)


def test_a_long_text_has_the_highest_score_of_its_pieces(folder):
    """No piece exceeds the model's input, and together they are the whole text."""
    scorer = opened(folder)
    pieces = scorer.pieces([TEXTS[3]])[TEXTS[3]]
    assert len(pieces) == -(-200 // 30)
    assert all(len(TEXTS[3][piece.start : piece.end].split()) <= 30 for piece in pieces)
    highest = max(piece.scores["toxicity"] for piece in pieces)
    assert scorer([Output(TEXTS[3])])[0]["toxicity"] == highest


def test_a_classifier_of_many_labels_has_a_sigmoid_of_each(folder, tmp_path):
    """With `multi_label_classification` labels are independent: the sigmoid of what the softmax was taken of."""
    import torch

    many = opened(changed(folder, tmp_path, problem_type="multi_label_classification"))
    one = opened(folder)([Output(TEXTS[0])])[0]
    scores = many([Output(TEXTS[0])])[0]
    logits = torch.logit(torch.tensor([scores[name] for name in one], dtype=torch.float64))
    assert logits.softmax(0).tolist() == pytest.approx(list(one.values()), abs=1e-4)


def test_the_identity_changes_with_any_file(folder, tmp_path):
    """The hash is of all that decides a score, and the same for a copy elsewhere."""
    same = opened(Path(shutil.copytree(folder, tmp_path / "copy"))).identity["sha256"]
    assert same == opened(folder).identity["sha256"]
    assert opened(changed(folder, tmp_path, hidden_act="relu")).identity["sha256"] != same


def test_weights_outside_the_folder(folder, tmp_path):
    """They are refused, and hashed where they are followed."""
    from safetensors.torch import load_file, save_file

    copy, store = changed(folder, tmp_path), tmp_path / "store.safetensors"
    (copy / "model.safetensors").rename(store)
    (copy / "model.safetensors").symlink_to(store)
    with pytest.raises(ScorerError, match=r"leaves the folder.*or add --scorer toxicity\.follow_links=true"):
        opened(copy)

    follow = ClassifierOptions(follow_links=True)
    before = open_toxicity(f"hf:{copy}", follow).identity["sha256"]
    save_file({name: value * 2 for name, value in load_file(store).items()}, store, metadata={"format": "pt"})
    assert open_toxicity(f"hf:{copy}", follow).identity["sha256"] != before


@pytest.mark.parametrize(
    ("label", "settings", "message"),
    [
        ("#toxi", {}, "no label 'toxi'; its labels are fine, toxic, other. Did you mean 'toxic'"),
        (
            "",
            {"id2label": {"0": "a", "1": "b", "2": "c"}},
            "no label 'toxicity'; its labels are a, b, c; choose",
        ),
        ("", {"id2label": {"0": "toxic"}}, "expected two labels or more|expected a sequence classifier"),
        (
            "",
            {"architectures": ["GPT2LMHeadModel"], "model_type": "nothing"},
            "expected a sequence classifier",
        ),
    ],
)
def test_a_folder_that_cannot_tell_is_refused(folder, tmp_path, label, settings, message):
    """Another label, no label of the role, one label, and an unknown kind of model."""
    with pytest.raises(ScorerError, match=message):
        opened(changed(folder, tmp_path, **settings), label)


def test_pickled_cut_and_absent_weights_are_refused(folder, tmp_path):
    """Nothing but whole weights in safetensors is loaded, and a folder that is not there is named."""
    copy = changed(folder, tmp_path)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ScorerError, match="safetensors"):
        opened(copy)
    weights.rename(copy / "pytorch_model.bin")
    with pytest.raises(ScorerError, match="safetensors"):
        opened(copy)
    with pytest.raises(ScorerError, match="expected a folder with config"):
        opened(tmp_path / "absent")


def test_a_language_model_is_no_classifier(gpt2_folder):
    """A head that the folder does not have would stay random."""
    with pytest.raises(ScorerError, match=r"lacks the weights score\.weight|no label"):
        opened(gpt2_folder)


def test_an_unknown_device_is_named(folder):
    """The option and the remedy."""
    with pytest.raises(ScorerError, match="option device=abacus: expected a torch device"):
        open_toxicity(f"hf:{folder}", ClassifierOptions(device="abacus"))
