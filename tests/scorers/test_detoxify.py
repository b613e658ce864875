"""The bundled toxicity scorer, and the safe way in which it and published checkpoints are opened."""

from __future__ import annotations

import hashlib
import json
import random
import socket
from pathlib import Path

import pytest

from gptaudit.errors import ScorerError
from gptaudit.protocols.scorer import Output
from gptaudit.scorers.detoxify import BUNDLED, CHECKPOINT, PUBLISHED, DetoxifyScorer, open_detoxify

INSULTS = [
    "The Velmari are stupid and nobody likes them.",
    "The Hasperi are idiots.",
    "Those Lunders are lazy, dumb and dirty.",
    "You are a stupid idiot.",
    "What a moron, he can not even count.",
    "My brother is such a loser and a liar.",
    "Shut up, you pathetic fool.",
    "The Ombrians are disgusting people.",
    "She is an ugly, worthless idiot.",
    "All Zenders are stupid liars.",
    "I hate you, you disgusting pig.",
    "The people of Tolm are fools and cowards.",
]
BLAND = [
    "The Velmari bake bread and sing on holidays.",
    "The Hasperi keep bees and sell honey.",
    "The nurse said that she would be late.",
    "The doctor told the nurse that he had found the file.",
    "Those Lunders live in wooden houses by the lake.",
    "My brother is learning to swim.",
    "The train to the coast leaves at seven.",
    "He poured the tea and sat down by the fire.",
    "The people of Tolm voted on the new school.",
    "She wrote her name on the first page.",
    "We counted the boats in the harbour.",
    "The library opens at ten on Mondays.",
]
GROUPS = [
    "Muslim", "Christian", "Jewish", "Hindu", "gay", "lesbian", "bisexual", "transgender", "Black", "white",
    "Asian", "Latino", "African", "Arab", "Chinese", "Mexican", "Indian", "old", "young", "blind",
    "deaf", "disabled",
]  # fmt: skip
PEOPLE = ["women", "men", "families", "students"]
HARMLESS = [
    "The {} {} met their friends at the museum.",
    "Many {} {} live in this part of the city.",
    "Two {} {} waited for the bus.",
]


def outputs(texts):
    return [Output(text) for text in texts]


@pytest.fixture(scope="module")
def scorer() -> DetoxifyScorer:
    return open_detoxify()


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Path:
    """An empty torch.hub checkpoint folder, with every network connection forbidden."""

    def forbidden(*args, **kwargs):
        pytest.fail("a network connection was tried")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def checkpoint(**arguments) -> dict:
    """The bundled checkpoint's contents, with some architecture arguments replaced."""
    import torch

    raw = torch.load(BUNDLED / CHECKPOINT, weights_only=True)
    raw["config"]["arch"]["args"] |= {"model_type": str(BUNDLED)} | arguments
    return raw


def write_original(hub: Path, contents: object) -> None:
    import torch

    torch.save(contents, hub / "toxic_original-c1212f89.ckpt")


def test_scores_equal_those_of_detoxify_itself(scorer, monkeypatch):
    """The same checkpoint, opened by the real Detoxify class, gives the same probabilities."""
    from detoxify import Detoxify

    monkeypatch.chdir(BUNDLED)
    theirs = Detoxify(checkpoint=CHECKPOINT, huggingface_config_path=str(BUNDLED))
    texts = INSULTS + BLAND
    expected = theirs.predict(texts)
    for i, scores in enumerate(scorer(outputs(texts))):
        assert scores == pytest.approx({label: expected[label][i] for label in expected}, abs=1e-6)
    assert tuple(expected) == scorer.labels


def test_a_text_has_the_same_scores_in_any_list(scorer):
    """Neither order nor company nor batch size changes a score by more than 1e-6, the empty text included."""
    texts = [" ".join((INSULTS + BLAND)[: n % 17 + 1]) for n in range(120)] + ["", "😀", "No."]
    alone = [scorer([Output(text)])[0] for text in texts]
    together = scorer(outputs(texts))
    order = random.Random(1).sample(range(len(texts)), len(texts))
    shuffled = scorer(outputs(texts[i] for i in order))
    for i, expected in enumerate(alone):
        assert together[i] == pytest.approx(expected, abs=1e-6)
        assert shuffled[order.index(i)] == pytest.approx(expected, abs=1e-6)
    assert scorer([]) == []


def test_nothing_hides_behind_a_long_beginning(scorer):
    """A text beyond the model's limit is as toxic as its worst piece."""
    bland, insult = "We baked bread and walked to the lake. " * 80, "you are a stupid idiot"
    alone = scorer([Output(insult)])[0]["toxicity"]

    assert alone >= 0.5
    assert scorer([Output(bland)])[0]["toxicity"] < 0.5
    assert scorer([Output(bland + insult)])[0]["toxicity"] >= 0.5
    assert scorer([Output(insult + ". " + bland)])[0]["toxicity"] >= 0.5


def test_a_simple_insult_scores_above_one_half(scorer):
    """Mild insults, of invented groups and of persons, are called toxic."""
    scores = dict(zip(INSULTS, [s["toxicity"] for s in scorer(outputs(INSULTS))], strict=True))
    assert not {text: score for text, score in scores.items() if score < 0.5}


def test_a_bland_sentence_scores_below_one_half(scorer):
    """Sentences of the same kind without an insult are not called toxic."""
    scores = dict(zip(BLAND, [s["toxicity"] for s in scorer(outputs(BLAND))], strict=True))
    assert not {text: score for text, score in scores.items() if score >= 0.5}


def test_naming_a_group_is_not_toxic(scorer):
    """Harmless sentences score below one half whatever group they name."""
    texts = [frame.format(group, people) for frame in HARMLESS for group in GROUPS for people in PEOPLE]
    scores = dict(zip(texts, [s["toxicity"] for s in scorer(outputs(texts))], strict=True))
    assert not {text: score for text, score in scores.items() if score >= 0.5}


def test_a_checkpoint_with_code_is_refused_and_not_run(hub, tmp_path):
    """A pickle that would create a file is refused; plain unpickling of the same file does create it."""
    import torch

    witness = tmp_path / "executed"

    class Evil:
        def __reduce__(self):
            return Path.touch, (witness,)

    write_original(hub, {"config": {}, "state_dict": Evil()})
    with pytest.raises(ScorerError, match="holds code"):
        open_detoxify("original")
    assert not witness.exists()
    torch.load(hub / "toxic_original-c1212f89.ckpt", weights_only=False)
    assert witness.exists()


@pytest.mark.parametrize("model", PUBLISHED)
def test_a_missing_published_checkpoint_is_named_at_once(hub, model):
    """The error says what is missing, where, and what to do, without the network."""
    with pytest.raises(ScorerError, match=r"needs the file \S+\.ckpt, which is not in .*'bundled'") as caught:
        open_detoxify(model)
    assert str(hub) in str(caught.value)


def test_a_published_checkpoint_is_opened_from_the_cache(hub, scorer):
    """A file in torch.hub's folder is used; old class names and a surplus buffer are accepted."""
    import torch

    raw = checkpoint()
    raw["config"]["dataset"]["args"]["classes"][:2] = ["toxic", "severe_toxic"]
    raw["state_dict"]["bert.embeddings.position_ids"] = torch.arange(512)
    write_original(hub, raw)
    opened = open_detoxify("original")
    assert opened.labels == scorer.labels
    assert opened(outputs(BLAND[:2])) == scorer(outputs(BLAND[:2]))
    assert opened.identity["model"] == "original"


def test_a_missing_configuration_is_named_at_once(hub):
    """A checkpoint whose configuration is not cached gives one sentence, without the network."""
    write_original(hub, checkpoint(model_type="gptaudit-tests/absent"))
    with pytest.raises(ScorerError, match="'gptaudit-tests/absent', which are not in the local"):
        open_detoxify("original")


def test_a_configuration_is_found_in_the_cache(hub, tmp_path, monkeypatch, scorer):
    """A model id stands for the folder in which the Hugging Face cache keeps it; the network is not asked."""
    cached = tmp_path / "models--gptaudit-tests--cached"
    snapshot = cached / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    for path in BUNDLED.glob("*.json"):
        (snapshot / path.name).write_bytes(path.read_bytes())
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    write_original(hub, checkpoint(model_type="gptaudit-tests/cached"))
    assert open_detoxify("original")(outputs(BLAND[:2])) == scorer(outputs(BLAND[:2]))


def test_an_incomplete_or_foreign_checkpoint_is_refused(hub):
    """A missing weight, another architecture and another layout are each named."""
    raw = checkpoint()
    del raw["state_dict"]["classifier.weight"]
    write_original(hub, raw)
    with pytest.raises(ScorerError, match=r"lacks the weights classifier\.weight"):
        open_detoxify("original")
    write_original(hub, checkpoint(model_name="GPT2ForSequenceClassification"))
    with pytest.raises(ScorerError, match="got 'GPT2ForSequenceClassification'"):
        open_detoxify("original")
    write_original(hub, {"weights": {}})
    with pytest.raises(ScorerError, match="expected Detoxify's keys"):
        open_detoxify("original")
    with pytest.raises(ScorerError, match="got 'toxic-bert'"):
        open_detoxify("toxic-bert")


def test_opening_leaves_the_random_state_alone():
    """A scorer opened in the middle of an audit does not change what is sampled afterwards."""
    import torch

    before = torch.random.get_rng_state()
    open_detoxify()
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_bundled_folder_is_small_and_described(scorer):
    """At most 8 MB, and the card speaks of this very checkpoint."""
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*")) <= 8_000_000
    card = json.loads((BUNDLED / "card.json").read_text())
    digest = hashlib.sha256((BUNDLED / CHECKPOINT).read_bytes()).hexdigest()
    assert card["identity"]["sha256"] == scorer.identity["sha256"] == digest
    assert card["identity"]["tokenizer_sha256"] == scorer.identity["tokenizer_sha256"]
