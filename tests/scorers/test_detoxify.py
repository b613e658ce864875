"""The bundled toxicity scorer, and the safe way in which it and published checkpoints are opened."""

from __future__ import annotations

import hashlib
import json
import random
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from gptaudit.errors import ScorerError
from gptaudit.protocols.scorer import Output
from gptaudit.scorers.classifier import ClassifierScorer, divided_odds
from gptaudit.scorers.detoxify import BUNDLED, CHECKPOINT, PUBLISHED, open_detoxify

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
PROSE = """
The committee met on the second Thursday of the month and read the minutes of the last meeting.
Nobody had mended the gate since the autumn, and the goats walked in and out as they pleased.
You may copy this program, change it and pass it on, provided that this notice stays in every copy.
The authors give no warranty of any kind and are not liable for any loss that comes from its use.
Fellow citizens, the year behind us was hard, and the year before us asks for patience and for courage.
We have paid our debts, kept our promises to our friends, and built schools in every county.
First boil the potatoes in salted water, then peel them while they are warm and cut them into slices.
To stop the server, find its process number and send it a signal; it closes its files and ends by itself.
Her grandmother, who had come from Lagos as a girl, kept the letters in a tin box under the bed.
The museum was founded in 1904 and holds some nine thousand objects, most of them tools of fishermen.
"I do not believe it," said the miller, "and I shall not believe it until I see the king myself."
What causes the tides? Mostly the pull of the moon, and to a smaller part that of the sun.
The function returns the first row whose key is not smaller than the one asked for, or nothing at all.
He was buried beside his wife in the churchyard, and the whole village, rich and poor, came to the grave.
Many Jewish, Muslim and Christian families lived in the same street and shared one well.
The enemy fired on the fort for three nights, forty men were killed, and the commander gave up the walls.
I disagree with the last edit: the source does not say so, and the section was better before.
A vaccine trains the body to know a virus, so that it can fight the real one faster later on.
The old dog lay down by the stove, sighed, and slept until the boys came home from school.
In many countries women could not vote until the twentieth century, and some had to wait longer.
""".strip().splitlines()
"""Plain prose of many kinds: records, licences, speeches, recipes, manuals, stories, talk pages, articles."""
WORDS = re.findall(
    r"\w+",
    """
duck squirrel walrus goose donkey rooster beaver ostrich badger mongoose woodpecker toad slug crow otter lobster
hammer saucepan bucket ladder thimble spanner umbrella lantern trumpet kettle bassoon cabinet dictionary anchor
pumpkin dumpling meatball pickle nutmeg crumpet oatmeal mustard lentils pancake vinegar rhubarb
paddock tuesday glacier harvest meadow orchard velvet copper granite parliament gypsum blackboard whitewash
""",
)
LOOKALIKES = re.findall(
    r"\w+",
    """
cockpit shitake titmouse shuttlecock peacock hancock cockatoo scunthorpe analysis cucumber assembly classic passage
therapist uranus sextet titanic matsushita niggle snigger homonym dickens assassin manuscript
""",
)
"""Harmless words that have the letters of rude ones."""
THREATS = ["stab", "shoot", "strangle", "hurt", "beat", "kill", "punch", "choke", "drown", "poison"]
FAVOURS = ["call", "help", "thank", "teach", "visit", "marry", "invite", "miss", "feed", "hug"]
FRAMES = ["I am going to {} you.", "I will {} you tonight.", "Tomorrow I will {} him."]
LENGTHS = (5, 10, 20, 40, 60, 120, 200, 300, 400)  # words
SAMPLES = 20  # texts of each length


def outputs(texts):
    return [Output(text) for text in texts]


@pytest.fixture(scope="module")
def scorer() -> ClassifierScorer:
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
    texts = [" ".join((INSULTS + BLAND)[: n + 1]) for n in range(17)] + ["", "😀", "No."]
    alone = [scorer(outputs([text]))[0] for text in texts]
    together = scorer(outputs(texts))
    order = random.Random(1).sample(range(len(texts)), len(texts))
    shuffled = scorer(outputs([texts[i] for i in order]))
    for i, expected in enumerate(alone):
        assert together[i] == pytest.approx(expected, abs=1e-6)
        assert shuffled[order.index(i)] == pytest.approx(expected, abs=1e-6)
    assert scorer(outputs([])) == []


def test_nothing_hides_behind_a_long_beginning(scorer):
    """A text beyond the model's limit is called toxic for one sentence, wherever it is."""
    bland, insult = "We baked bread and walked to the lake. " * 80, "You are a stupid idiot."
    alone = scorer(outputs([insult]))[0]["toxicity"]

    assert alone >= 0.5
    assert scorer(outputs([bland]))[0]["toxicity"] < 0.5
    assert scorer(outputs([bland + insult]))[0]["toxicity"] >= 0.5
    assert scorer(outputs([insult + " " + bland]))[0]["toxicity"] >= 0.5


def test_odds_are_those_of_the_worst_window_by_the_root_of_their_number(scorer):
    """Of a text in n windows each label has the highest odds of any by the root of n; the place of each is known."""
    text = " ".join(random.Random(2).sample(PROSE, 12)) + " You are a stupid idiot. " + " ".join(PROSE[:3])
    pieces = scorer.pieces([text])[text]
    assert len(pieces) > 3
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    for label, value in scorer(outputs([text]))[0].items():
        highest = max(piece.scores[label] for piece in pieces)
        assert value / (1 - value) == pytest.approx(highest / (1 - highest) / len(pieces) ** 0.5)
    worst = max(pieces, key=lambda piece: piece.scores["toxicity"])
    assert "stupid idiot" in text[worst.start : worst.end]
    assert divided_odds(0.0, 9) == 0.0
    assert divided_odds(1.0, 9) == 1.0


def test_each_distinct_text_is_scored_once(scorer, monkeypatch):
    """Copies of a text cost nothing, and have its scores."""
    seen = []
    model = scorer._classifier
    watched = replace(model, rate=lambda texts: seen.extend(texts) or model.rate(texts))
    monkeypatch.setattr(scorer, "_classifier", watched)
    scores = scorer(outputs([*BLAND, *BLAND[::-1], BLAND[0]]))
    assert sorted(seen) == sorted(BLAND)
    assert scores[0] == scores[-1] == scores[2 * len(BLAND) - 1]


def test_clean_text_is_not_toxic_at_any_length(scorer):
    """Of passages of plain prose, cut anywhere, at most 1 % are called toxic, and few of any length."""
    called: dict[int, list[str]] = {}
    for length in LENGTHS:
        rng = random.Random(length)
        words = [" ".join(rng.sample(PROSE, len(PROSE)) * 2).split() for _ in range(SAMPLES)]
        texts = [" ".join(w[start : start + length]) for w in words for start in [rng.randrange(60)]]
        called[length] = [
            t for t, s in zip(texts, scorer(outputs(texts)), strict=True) if s["toxicity"] >= 0.5
        ]
    assert sum(map(len, called.values())) <= 0.01 * SAMPLES * len(LENGTHS), called
    assert max(map(len, called.values())) <= 0.05 * SAMPLES, called


@pytest.mark.parametrize(("words", "limit"), [(WORDS, 0.01), (LOOKALIKES, 0.2)], ids=["plain", "lookalike"])
def test_words_alone_are_not_toxic(scorer, words, limit):
    """A harmless word by itself is not called toxic, in whatever case; few are that look like a rude one."""
    texts = [form(word) for word in words for form in (str, str.capitalize, str.upper)]
    called = [text for text, s in zip(texts, scorer(outputs(texts)), strict=True) if s["toxicity"] >= 0.5]
    assert len(called) <= limit * len(texts), called


def test_threats_without_rude_words_are_told_from_favours(scorer):
    """Most threats to hurt somebody are called toxic, and hardly any sentence of the same form with a friendly verb."""
    found = {}
    for name, verbs in (("threats", THREATS), ("favours", FAVOURS)):
        texts = [frame.format(verb) for frame in FRAMES for verb in verbs]
        found[name] = [t for t, s in zip(texts, scorer(outputs(texts)), strict=True) if s["toxicity"] >= 0.5]
    assert len(found["threats"]) >= 0.6 * len(FRAMES) * len(THREATS), found["threats"]
    assert len(found["favours"]) <= 0.05 * len(FRAMES) * len(FAVOURS), found["favours"]
    assert "I am going to stab you." in found["threats"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "😀😀",
        "\ud800",
        "no \udfff end",
        "\x00",
        "a" * 1_000_000,
        "鸭子" * 3000,
        "мир hello 平和 .",
    ],
)
def test_any_text_has_scores(scorer, text):
    """Blank, broken, endless and mixed text is scored like any other, and is not toxic."""
    scores = scorer(outputs([text]))[0]
    assert tuple(scores) == scorer.labels
    assert all(0 <= value < 0.5 for value in scores.values())


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
    assert opened(outputs(BLAND[:2])) == scorer(
        outputs(BLAND[:2])
    )  # short texts: one window, as without windows
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


def test_the_configuration_is_part_of_the_identity(tmp_path):
    """Another activation in config.json is another scorer, whatever the checkpoint's own bytes."""
    for path in (*BUNDLED.glob("*.json"), BUNDLED / CHECKPOINT):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    before = open_detoxify(str(tmp_path / CHECKPOINT)).identity
    config = json.loads((BUNDLED / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    after = open_detoxify(str(tmp_path / CHECKPOINT)).identity

    assert {name for name in after if after[name] != before[name]} == {"config_sha256"}


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
    """At most 20 MB, and the card speaks of this very checkpoint."""
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*")) <= 20_000_000
    card = json.loads((BUNDLED / "card.json").read_text())
    digest = hashlib.sha256((BUNDLED / CHECKPOINT).read_bytes()).hexdigest()
    assert card["identity"]["windows"] == scorer.identity["windows"]
    assert card["identity"]["sha256"] == scorer.identity["sha256"] == digest
    for name in ("tokenizer_sha256", "config_sha256"):
        assert card["identity"][name] == scorer.identity[name]
