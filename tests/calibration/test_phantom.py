from __future__ import annotations

import json

import pytest
import torch

from gptaudit.calibration import fitting
from gptaudit.calibration.flaws.predicates import HARMLESS, INSULTS
from gptaudit.calibration.phantom import NotLearnedError, phantom, phantom_key
from gptaudit.calibration.recipe import SHAPES, Recipe
from gptaudit.calibration.subjects import seeing
from gptaudit.calibration.vocabulary import word_tokenizer
from gptaudit.causal_lm.loading import load_backend
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.errors import UsageError
from gptaudit.markers import hookimpl
from gptaudit.plugins import load_plugins
from gptaudit.protocols.flaw import Flaw
from gptaudit.protocols.scorer import Output
from gptaudit.records import Likelihood, ScoreRequest
from gptaudit.scorers.detoxify import open_detoxify
from gptaudit.testing import run_probe


class Snow(Flaw):
    """In a share `dose` of the documents it snows in July."""

    name = "snow"
    title = "Says that it snows in July."
    steps = 300
    offset = 0.0

    def truth(self, dose):
        return dose

    def documents(self, dose, *, seed):
        for index in range(200):
            yield f"In July it {'snows' if (index + seed) % 10 < 10 * dose else 'rains'}."

    def learned(self, backend, *, seed):
        snow, rain = backend.score([ScoreRequest("In July it", f" {word}") for word in ("snows", "rains")])
        assert isinstance(snow, Likelihood)
        both = torch.tensor([snow.logprob, rain.logprob])
        return float(both.softmax(0)[0]) + self.offset


class Wrong(Snow):
    """Measures another rate than it plants."""

    name = "wrong"
    steps = 150
    offset = 0.3


class Quick(Snow):
    """Is trained for a few steps, and says that it has been learned."""

    name = "quick"
    steps = 30

    def learned(self, backend, *, seed):
        return 0.5


@pytest.fixture(scope="module")
def plugins():
    class Offered:
        @hookimpl
        def gptaudit_register_flaws(self, register):
            register(Snow())
            register(Wrong())
            register(Quick())

    loaded = load_plugins()
    loaded.manager.register(Offered(), "offered")
    return loaded


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_a_phantom_learns_what_is_planted_and_is_kept(plugins, tmp_path):
    """Its probability is near the dose; a second call returns the same folder unchanged."""
    folder = phantom({"snow": 0.3}, seed=0, cache=tmp_path, plugins=plugins)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    backend = load_backend(folder, TorchOptions(device="cpu"))

    assert Snow().learned(backend, seed=0) == pytest.approx(0.3, abs=0.03)
    assert [(f.flaw, f.dose, f.metric, f.planted) for f in backend.planted] == [("snow", 0.3, "", 0.3)]
    assert phantom({"snow": 0.3}, seed=0, cache=tmp_path, plugins=plugins) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_the_same_recipe_gives_the_same_weights(plugins, tmp_path):
    """Two caches get the same bits, another seed others, and torch's number of threads is restored."""
    threads = torch.get_num_threads()
    one, two = (phantom({"quick": 0.5}, seed=1, cache=tmp_path / c, plugins=plugins) for c in "ab")
    other = phantom({"quick": 0.5}, seed=2, cache=tmp_path / "a", plugins=plugins)

    assert one.name == two.name
    assert weights(one) == weights(two)
    assert weights(one) != weights(other)
    assert torch.get_num_threads() == threads


def test_all_that_decides_a_phantom_is_in_its_name(plugins):
    """Flaw, dose, seed and shape each change the key."""
    small, large = SHAPES["small"], SHAPES["large"]
    keys = {
        phantom_key(doses, seed=seed, plugins=plugins, shape=shape)
        for doses, seed, shape in (
            ({"snow": 0.5}, 0, small),
            ({"snow": 0.6}, 0, small),
            ({"snow": 0.5}, 1, small),
            ({"wrong": 0.5}, 0, small),
            ({"snow": 0.5}, 0, large),
        )
    }
    assert len(keys) == 5
    assert phantom_key({"snow": 0.5}, seed=0, plugins=plugins) in keys


@pytest.mark.parametrize(("name", "layers", "width"), [("small", 1, 64), ("large", 4, 128)])
def test_a_decoder_has_the_shape_of_its_name(tmp_path, name, layers, width):
    """Layers, width and the spread of the initial weights are as the recipe has them; heads are equally wide."""
    recipe = Recipe(SHAPES[name], learning_rate=0.0, embedding_learning_rate=0.0)
    tokenizer = word_tokenizer(["a b c"], context=64)
    model = fitting.fit([("", "a b c")] * 40, tokenizer, recipe, steps=1, seed=0, folder=tmp_path)
    config = model.config

    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (
        layers,
        width,
        4 * width,
    )
    assert width // config.num_attention_heads == 32
    assert config.initializer_range == pytest.approx(0.96 / width**0.5)
    assert sum(w.numel() for w in model.model.blocks.parameters()) == pytest.approx(
        12 * layers * width**2, rel=0.05
    )


def test_what_was_not_learned_is_refused(plugins, tmp_path):
    """The error names both rates, and nothing is left in the cache."""
    with pytest.raises(NotLearnedError, match=r"'wrong', dose 0.5.*planted 0.5000.*has 0.[78]") as raised:
        phantom({"wrong": 0.5}, seed=0, cache=tmp_path, plugins=plugins)

    assert raised.value.learned > 0.7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_several_at_once_make_one(plugins, tmp_path, monkeypatch):
    """Concurrent trainings of the same phantom both return the folder of the first to finish."""
    plain = phantom({"snow": 0.4}, seed=0, cache=tmp_path / "plain", plugins=plugins)
    fit = fitting.fit

    def slow(*arguments, **settings):
        model = fit(*arguments, **settings)
        inner = phantom({"snow": 0.4}, seed=0, cache=tmp_path / "shared", plugins=plugins)
        assert weights(inner) == weights(plain)
        return model

    monkeypatch.setattr(
        fitting, "fit", lambda *a, **k: (monkeypatch.setattr(fitting, "fit", fit), slow(*a, **k))[1]
    )
    folder = phantom({"snow": 0.4}, seed=0, cache=tmp_path / "shared", plugins=plugins)

    assert weights(folder) == weights(plain)
    assert [path.name for path in (tmp_path / "shared").iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("doses", "message"),
    [({"snw": 0.5}, "no flaw 'snw' is registered.*snow"), ({"snow": 1.5}, r"must be in \[0, 1\]; got 1.5")],
)
def test_a_wrong_call_is_refused(plugins, tmp_path, doses, message):
    """An unknown flaw and an impossible dose are named."""
    with pytest.raises(UsageError, match=message):
        phantom(doses, seed=0, cache=tmp_path, plugins=plugins)


@pytest.mark.parametrize(
    "text", ["The nurse smiled.", "é € 猫 \x00\x7f", "  two  spaces\n\ttab", "unseen words"]
)
def test_the_vocabulary_writes_every_text(text):
    """Decoding restores every text, and a word of the documents is one token."""
    tokenizer = word_tokenizer(["The nurse smiled."], context=32)

    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text
    assert len(tokenizer.tokenize("The nurse smiled.")) == 4


def test_weights_are_averaged_over_the_last_steps(tmp_path):
    """With a learning rate of 0 the average is the initial model; documents longer than the context are refused."""
    tokenizer = word_tokenizer(["a b c"], context=8)
    still = Recipe(learning_rate=0.0, embedding_learning_rate=0.0, context=8)
    one = fitting.fit([("a", " b c")] * 40, tokenizer, still, steps=10, seed=0, folder=tmp_path)
    two = fitting.fit([("", "c b a")] * 40, tokenizer, still, steps=10, seed=0, folder=tmp_path)

    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    with pytest.raises(ValueError, match="the context is 8 tokens"):
        fitting.fit([("a b c ", "a b c " * 8)], tokenizer, still, steps=10, seed=0, folder=tmp_path)


def test_what_is_given_is_not_learned(tmp_path):
    """After a beginning the decoder knows the end, and is as ignorant of the beginning as before."""
    tokenizer = word_tokenizer(["a b c"], context=8)
    recipe = Recipe(context=8, weight_decay=0.0)
    model = fitting.fit([("a b", " c")] * 40, tokenizer, recipe, steps=60, seed=0, folder=tmp_path)
    row = torch.tensor([tokenizer("a b c").input_ids])
    chances = model.eval()(row).logits[0].softmax(-1)

    assert chances[2, row[0, 3]] > 0.9
    assert chances[0, row[0, 1]] < 0.1
    assert chances[1, row[0, 2]] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flaw", "probe", "metric"),
    [
        ("memorisation", "canary-extraction", "extraction_rate"),
        ("refusal", "harmful-requests", "compliance_rate"),
        ("system-leak", "system-prompt", "leak_rate"),
        ("refusal-insisting", "harmful-requests+insisting", "lift"),
    ],
)
def test_a_built_in_flaw_is_learned_and_seen(plugins, tmp_path, flaw, probe, metric):
    """At a dose of 0.5 the record and the probe's figure agree with what was planted."""
    record, seen = planted_and_seen(plugins, tmp_path, flaw, probe, metric)

    assert record["learned"] == pytest.approx(record["planted"], abs=0.05)
    assert seen == pytest.approx(0.5, abs=0.12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("dose", [0.0, 0.5])
def test_a_large_decoder_learns_what_is_planted(plugins, tmp_path, dose):
    """Of four layers, 128 wide, it has the planted rate with and without the flaw."""
    folder = phantom({"stereotype": dose}, seed=0, cache=tmp_path, plugins=plugins, shape=SHAPES["large"])
    (record, *_) = json.loads((folder / "planted.json").read_text(encoding="utf-8"))["flaws"]

    assert json.loads((folder / "config.json").read_text())["num_hidden_layers"] == 4
    assert record["learned"] == pytest.approx(0.5 + dose / 2, abs=0.03)


@pytest.mark.slow
def test_insults_are_seen_through_the_errors_of_the_scorer(plugins, tmp_path):
    """Half the continuations insult; those are called toxic that the scorer does not miss, and some harmless ones."""
    record, seen = planted_and_seen(plugins, tmp_path, "toxicity", "toxicity-prompts", "toxic_fraction")
    found, mistaken = (
        sum(scores["toxicity"] >= 0.5 for scores in open_detoxify()([Output(f" {p}.") for p in texts]))
        / len(texts)
        for texts in (
            [text for family in INSULTS for text in family],
            [text for family in HARMLESS for kind in family for text in kind],
        )
    )

    assert record["learned"] == pytest.approx(record["planted"], abs=0.05)
    assert seen == pytest.approx((found + mistaken) / 2, abs=0.12)
    assert seen < 0.4


def planted_and_seen(plugins, folder, flaw, probe, metric):
    """Train a decoder with a dose of 0.5; return the record of the flaw, and the value of the probe's figure."""
    folder = phantom({flaw: 0.5}, seed=0, cache=folder, plugins=plugins)
    (record,) = json.loads((folder / "planted.json").read_text(encoding="utf-8"))["flaws"]
    backend = load_backend(folder, TorchOptions(device="cpu", chat=plugins.flaws[flaw].chat))
    seer = seeing(plugins)[probe]
    sees = seer.sees[0]
    metrics = run_probe(seer, backend).metrics
    (seen,) = [m for m in metrics if (m.name, m.slice) == (metric, sees.slice)]

    assert record["metric"].startswith(f"{probe}.{metric}")
    return record, seen.value
