from __future__ import annotations

import json
import math
import os
import random

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from gptaudit.decoder import register
from gptaudit.decoder.tokenizer import train_tokenizer
from gptaudit.decoder.training import PRESETS, pack, read_corpus, train
from gptaudit.errors import DataError, UsageError


@pytest.fixture(scope="module")
def documents():
    rng = random.Random(0)
    return [f"The {rng.choice(['cat', 'dog'])} sat on the {rng.choice(['mat', 'box'])}." for _ in range(600)]


@pytest.fixture(scope="module")
def trained(documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(documents, folder, preset="nano", steps=60, progress=False)


def test_it_learns(trained):
    """The loss comes near the entropy of the text: two coin flips in about eight tokens."""
    _, record = trained

    assert record["losses"][0] > 2
    assert record["loss"] < 2 * math.log(2) / 8 + 0.15


def test_what_is_written(trained, documents):
    """The folder holds a decoder that loads, its tokenizer and the record of its training."""
    folder, record = trained
    register()

    model = AutoModelForCausalLM.from_pretrained(folder)

    assert json.loads((folder / "training.json").read_text()) == record
    assert record["schema"] == "gptaudit.training/1"
    assert record["parameters"] == sum(p.numel() for p in model.parameters())
    assert record["tokens"] == 60 * PRESETS["nano"].batch * PRESETS["nano"].context
    assert record["corpus"]["documents"] == len(documents)
    assert model.config.eos_token_id == model.generation_config.eos_token_id == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    ]


def test_the_same_seed_gives_the_same_bits(documents, tmp_path):
    """Two trainings with one seed give equal weights; another seed gives others."""
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(documents, tmp_path / name, preset="nano", steps=3, seed=seed, progress=False)
        weights.append(load_file(tmp_path / name / "model.safetensors")["model.token_embedding.weight"])

    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_packing_keeps_the_boundaries():
    """Blocks read one after the other are the documents, each between two end-of-text tokens."""
    documents = [f"document {i} ends." for i in range(20)]
    tokenizer = train_tokenizer(documents, vocab_size=270, context=8)

    blocks = pack(documents, tokenizer, 8)

    text = "<|endoftext|>" + "".join(f"{document}<|endoftext|>" for document in documents)
    assert blocks.shape[1] == 8
    assert text.startswith(tokenizer.decode(blocks.flatten()))
    assert 0 <= len(tokenizer(text, add_special_tokens=False).input_ids) - blocks.numel() < 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\t ", "is empty"),
        (b"good text\xff\xfe", r"byte 9 \(0xff\) is not UTF-8"),
        (b"good\0text", "byte 4 is NUL"),
        (None, "No such file"),
    ],
)
def test_a_bad_corpus_is_named(tmp_path, content, message):
    """A corpus that is no text is an error with the file and, where there is one, the byte."""
    path = tmp_path / "corpus.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=message) as caught:
        read_corpus(path)

    assert str(path) in str(caught.value)


def test_a_text_file_is_one_document(tmp_path):
    """A file is read as it is, without its byte-order mark."""
    (tmp_path / "a.txt").write_bytes("\ufeffé\n\nb\n".encode())

    assert read_corpus(tmp_path / "a.txt") == ["é\n\nb\n"]


def test_a_corpus_below_one_context_is_refused(tmp_path):
    """Fewer tokens than one context is an error that says both numbers."""
    with pytest.raises(DataError, match=r"\d+ tokens, fewer than one context of 64"):
        train(["too short"], tmp_path / "out", preset="nano", progress=False)


def test_an_occupied_folder_is_refused(tmp_path, documents):
    """Nothing is overwritten: the output folder must be new or empty, and a folder."""
    (tmp_path / "file").write_text("mine")

    with pytest.raises(UsageError, match="not empty"):
        train(documents, tmp_path, preset="nano", progress=False)
    with pytest.raises(UsageError, match="cannot be made"):
        train(documents, tmp_path / "file", preset="nano", progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path, documents):
    """A folder that cannot be written is an error before any work."""
    tmp_path.chmod(0o500)

    with pytest.raises(UsageError, match="cannot be written"):
        train(documents, tmp_path, preset="nano", progress=False)


def test_the_commands(gptaudit, tmp_path, documents):
    """`decoder train` makes a folder from which `decoder generate` writes, equally for equal seeds."""
    (tmp_path / "corpus.txt").write_text("\n".join(documents))

    trained = gptaudit(
        "decoder", "train", "--corpus", "corpus.txt", "--out", "out", "--preset", "nano", "--steps", 20
    )
    options = ("out", "--prompt", "The cat", "--max-new-tokens", 8, "--n", 3)
    texts = [gptaudit("decoder", "generate", *options, "--seed", seed).out for seed in (1, 1, 2)]

    assert trained.code == 0, trained.err
    assert "loss" in trained.out
    assert texts[0].count("The cat") >= 3
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--corpus", "none.txt", "--out", "out"), "corpus none.txt: cannot be read"),
        (("train", "--corpus", "none.txt"), "--out"),
        (("train", "--corpus", "none.txt", "--out", "out", "--steps", "0"), "steps"),
        (("generate", "nowhere", "--prompt", "x"), "nowhere"),
        (("generate", "reference", "--prompt", "x", "--max-new-tokens", "1000"), "reads at most 128"),
        (("generate", "reference", "--prompt", "x", "--top-p", "0"), "top-p"),
    ],
)
def test_bad_arguments_exit_2(gptaudit, arguments, message):
    """A bad argument ends with exit code 2 and one message that names it."""
    ran = gptaudit("decoder", *arguments)

    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
