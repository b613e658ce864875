from __future__ import annotations

import errno
import json
import math
import os
import random
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch
from tiny_training import TINY, equal, tiny_documents, weights
from transformers import AutoModelForCausalLM

from gptaudit.decoder import register
from gptaudit.decoder import tokenizer as tokenizer_module
from gptaudit.decoder import training as module
from gptaudit.decoder.batches import Blocks
from gptaudit.decoder.corpus import documents_in_memory, survey
from gptaudit.decoder.model import FeedForward
from gptaudit.decoder.settings import PRESETS, settings_of
from gptaudit.decoder.token_file import token_file
from gptaudit.decoder.tokenizer import load_tokenizer, train_tokenizer
from gptaudit.decoder.training import corpus_sha256, train
from gptaudit.decoder.work_folder import room_for
from gptaudit.errors import DataError, UsageError


@pytest.fixture(scope="module")
def documents():
    return tiny_documents()


@pytest.fixture(scope="module")
def trained(documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    folder = folder / "out"
    return folder, train(documents, folder, preset="nano", steps=60, overrides={"precision": "float32"})


def test_it_learns(trained):
    """The loss approaches the entropy of the text: two coin flips in about eight tokens."""
    _, record = trained
    entropy = 2 * math.log(2) / 8

    assert record["losses"][0]["loss"] > 2
    assert record["loss"] < entropy + 0.15
    assert record["validation_loss"] < entropy + 0.15


def test_what_is_written(trained, documents):
    """The folder contains a decoder that loads, its tokenizer, the loss curve and the training record."""
    folder, record = trained
    register()
    model = AutoModelForCausalLM.from_pretrained(folder)

    assert json.loads((folder / "training.json").read_text()) == record
    assert record["schema"] == "gptaudit.training/1"
    assert record["settings"] == asdict(PRESETS["nano"]) | {"steps": 60, "precision": "float32"}
    assert record["parameters"] == sum(p.numel() for p in model.parameters())
    assert record["tokens"] == 60 * PRESETS["nano"].step_tokens
    assert record["corpus"]["documents"] == len(documents)
    assert record["corpus"]["sha256"] == corpus_sha256(documents)
    assert [entry["step"] for entry in record["losses"]] == list(range(1, 61))
    assert [entry["step"] for entry in record["validation"]] == [10, 20, 30, 40, 50, 60]
    assert record["seconds"] > 0 < record["tokens_per_second"]
    assert model.config.eos_token_id == model.generation_config.eos_token_id == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "generation_config.json",
        "loss.svg",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    ]


def test_the_loss_curve(trained):
    """The curve is well-formed SVG with one point for each measured loss, falling from left to right."""
    folder, record = trained
    curves = ET.parse(folder / "loss.svg").findall(".//{*}polyline")  # noqa: S314 - ours
    points = [[tuple(map(float, pair.split(","))) for pair in c.get("points").split()] for c in curves]

    assert [len(each) for each in points] == [len(record["losses"]), len(record["validation"])]
    assert all(each[0][0] < each[-1][0] and each[0][1] < each[-1][1] for each in points)


def test_the_validation_loss_is_that_of_the_model(trained, documents, tmp_path):
    """The recorded value is the mean loss of the final model over the validation tokens."""
    folder, record = trained
    register()
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = load_tokenizer(folder, context=64)
    corpus = documents_in_memory(documents)
    _, held = token_file(corpus, survey(corpus), tokenizer, tmp_path, validation=0.05).read()
    blocks = Blocks(held, 64)
    batch = blocks.batch(torch.arange(len(blocks)).numpy(), 0)
    with torch.no_grad():
        logits = model(batch["input_ids"]).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["shift_labels"].flatten())

    assert record["validation_loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_the_same_seed_gives_the_same_bits(documents, tmp_path):
    """Two trainings with one seed give equal weights; another seed gives others."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(documents, tmp_path / name, preset="nano", steps=3, seed=seed)

    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not equal(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_a_loss_that_is_no_number_stops_the_training(documents, tmp_path):
    """Training that diverges is stopped, says what to lower, and keeps the last checkpoint with finite weights."""
    settings = TINY | {"learning_rate": 1e30, "clip": 0, "evaluate_every": 2, "warmup": 0, "report_every": 1}

    with pytest.raises(
        UsageError, match=r"is (nan|inf).* at step \d+.*lower learning_rate \(it is 1e\+30\)"
    ) as caught:
        train(documents, tmp_path / "out", preset="nano", steps=30, overrides=settings)

    for checkpoint in (tmp_path / "out" / "checkpoints").glob("checkpoint-*"):
        assert all(tensor.isfinite().all() for tensor in weights(checkpoint).values())
        assert checkpoint.name in str(caught.value)


def test_patience_keeps_the_best_weights(tmp_path):
    """If the validation loss rises, training stops early and keeps the weights of its minimum."""
    rng = random.Random(1)
    documents = ["".join(rng.choice("abcdefgh") for _ in range(60)) for _ in range(40)]
    settings = TINY | {"width": 64, "vocab_size": 258, "validation": 0.25, "learning_rate": 1e-2}
    settings |= {"evaluate_every": 20, "patience": 3}

    record = train(documents, tmp_path / "out", preset="nano", steps=2000, overrides=settings)

    losses = [entry["loss"] for entry in record["validation"]]
    assert record["steps"] < 2000
    assert record["steps"] == 20 * (losses.index(min(losses)) + 1 + 3)
    assert record["validation_loss"] == min(losses)


def test_accumulation_is_a_larger_batch(documents, tmp_path):
    """Two accumulated batches of four give the losses of one batch of eight."""
    settings = TINY | {"report_every": 1, "validation": 0}
    one = train(documents, tmp_path / "a", steps=5, overrides=settings | {"batch": 8})
    two = train(documents, tmp_path / "b", steps=5, overrides=settings | {"accumulation": 2})

    for a, b in zip(one["losses"], two["losses"], strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    assert one["tokens"] == two["tokens"]


def test_gradient_checkpointing_changes_nothing(documents, tmp_path, monkeypatch):
    """The activations are computed twice, with the same losses."""
    calls = []
    forward = FeedForward.forward
    monkeypatch.setattr(FeedForward, "forward", lambda *given: calls.append(1) or forward(*given))
    losses, counts = [], []
    for on in (False, True):
        how = TINY | {"gradient_checkpointing": on, "validation": 0}
        losses.append(train(documents, tmp_path / str(on), steps=4, overrides=how)["losses"])
        counts.append(len(calls) - sum(counts))

    assert counts == [4, 8]
    assert [a["loss"] for a in losses[0]] == pytest.approx([a["loss"] for a in losses[1]], rel=1e-5)


@pytest.mark.parametrize(
    "shape",
    [
        {"positions": "rotary", "activation": "swiglu", "tied": "false"},
        {"positions": "sinusoidal", "norm": "post"},
    ],
)
def test_every_shape_can_be_set(documents, tmp_path, shape):
    """The settings of the shape reach the model."""
    train(documents, tmp_path / "out", steps=2, overrides=TINY | {"dropout": "0.1"} | shape)

    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["dropout"] == 0.1
    assert config["tie_word_embeddings"] == ("tied" not in shape)
    assert all(config[key] == value for key, value in shape.items() if key != "tied")


def test_the_tokenizer_of_a_large_corpus_is_that_of_a_sample(tmp_path, monkeypatch):
    """A corpus beyond the limit is sampled evenly, even if its documents are periodic."""
    seen = []
    monkeypatch.setattr(tokenizer_module, "train_tokenizer", _noting(seen))
    documents = [f"{'question' if n % 2 == 0 else 'response'} {n:05}" for n in range(400)]
    monkeypatch.setattr(module, "TOKENIZER_SAMPLE", 14 * 100)

    train(documents, tmp_path / "out", steps=1, overrides=TINY)

    assert len(seen) == 100
    assert [documents.index(text) // 4 for text in seen] == list(range(100))
    assert {text.split()[0] for text in seen} == {"question", "response"}


def _noting(seen):
    def train_noted(texts, **how):
        seen.extend(texts)
        return train_tokenizer(seen, **how)

    return train_noted


def test_a_given_tokenizer_is_used(documents, tmp_path):
    """The tokenizer of a folder is used unchanged, and the model has its vocabulary."""
    train_tokenizer(["something else"] * 5, vocab_size=262, context=8).save_pretrained(tmp_path / "mine")

    train(documents, tmp_path / "out", steps=2, overrides=TINY, tokenizer=tmp_path / "mine")

    given, used = ((tmp_path / name / "tokenizer.json").read_text() for name in ("mine", "out"))
    assert used == given
    assert json.loads((tmp_path / "out" / "config.json").read_text())["vocab_size"] == 262


def test_a_folder_without_a_tokenizer_is_named(documents, tmp_path):
    """A missing or damaged tokenizer is an error that names its folder."""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "tokenizer.json").write_text('{"model": ')

    for name, why in (("none", "folder is missing"), ("damaged", "cannot be loaded")):
        with pytest.raises(
            UsageError, match=f"tokenizer .*{name}: .*{why}.*; give a folder with a tokenizer.json"
        ):
            train(documents, tmp_path / f"out-{name}", tokenizer=tmp_path / name)


@pytest.mark.parametrize(
    ("preset", "given", "message"),
    [
        ("nano", {"learning_rte": "1"}, "unknown key 'learning_rte'. Did you mean 'learning_rate'?"),
        ("nano", {"layers": "two"}, "key 'layers': .* found 'two'"),
        ("nano", {"vocab_size": "257"}, "key 'vocab_size': .*258"),
        ("nano", {"positions": "absolute"}, "key 'positions': .*'learned', 'sinusoidal' or 'rotary'"),
        ("nano", {"learning_rate": "nan"}, "key 'learning_rate'"),
        ("nano", {"patience": "3", "validation": "0"}, "patience .* validation=0"),
        ("nanu", {}, "Did you mean 'nano'?"),
    ],
)
def test_settings_are_checked(preset, given, message):
    """An unknown setting is answered with the nearest one, a bad value with what is expected."""
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        settings_of(preset, given)


def test_a_shape_that_is_none_is_refused(documents, tmp_path):
    """A width not divisible by the heads is an error that names both, before anything is written."""
    with pytest.raises(UsageError, match=r"hidden_size=16 is not divisible by num_attention_heads=3"):
        train(documents, tmp_path / "out", overrides=TINY | {"heads": 3})
    assert not (tmp_path / "out").exists()


def test_the_small_preset_is_small():
    """`small` has between 10 and 30 million parameters."""
    shape = PRESETS["small"]
    blocks = shape.layers * 12 * shape.width**2

    assert 10e6 < blocks + shape.vocab_size * shape.width < 30e6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["too short"], r"\d+ tokens, fewer than one context of 64"),
        (
            ["some text that is longer"] * 25,
            r"validation=0.05 keeps \d+ tokens, fewer than one context of 64",
        ),
        ([" ", ""], "corpus is empty"),
        (["ok", "a\0b"], "document 2: the text contains NUL"),
    ],
)
def test_a_tiny_corpus_is_refused(tmp_path, given, message):
    """A corpus that cannot fill one context is an error that says both numbers."""
    with pytest.raises(DataError, match=message):
        train(given, tmp_path / "out", preset="nano")


def test_an_occupied_folder_is_refused(tmp_path, documents):
    """Nothing is overwritten: the output folder must be new or empty, and a folder."""
    (tmp_path / "file").write_text("mine")

    with pytest.raises(UsageError, match="not empty"):
        train(documents, tmp_path, preset="nano")
    with pytest.raises(UsageError, match="cannot be created"):
        train(documents, tmp_path / "file", preset="nano")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("numbers", [1, 100, 10_000, 1_000_000])
def test_a_full_disk_is_told_from_other_errors(tmp_path, numbers):
    """Torch's errors for a file of any size that does not fit become a `UsageError`; other errors do not change."""
    with (
        pytest.raises(UsageError, match=r"could not be written \(.*continue with --resume"),
        room_for(tmp_path),
    ):
        torch.save(torch.zeros(numbers), "/dev/full")

    (tmp_path / "damaged").write_bytes(b"PK\3\4 is no archive")
    with pytest.raises(RuntimeError, match="PytorchStreamReader"), room_for(tmp_path):
        torch.load(tmp_path / "damaged", weights_only=True)


def test_a_full_disk_under_the_plan_is_named(tmp_path, documents, monkeypatch):
    """If the plan does not fit, the message names its file and says how to continue, and nothing is left of it."""

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(
            UsageError, match=r"plan\.json: cannot be written: No space.*continue with --resume"
        ):
            train(documents, tmp_path / "out", steps=2, overrides=TINY)

    assert not list((tmp_path / "out").rglob("*plan*"))
    assert train(documents, tmp_path / "out", steps=2, overrides=TINY, resume=True)["steps"] == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path, documents):
    """A folder that cannot be written is an error before any work."""
    tmp_path.chmod(0o500)

    with pytest.raises(UsageError, match=r"cannot be (created|written)"):
        train(documents, tmp_path, preset="nano")
