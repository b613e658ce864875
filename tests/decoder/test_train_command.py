from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from small_files import gptaudit_in_small_files
from tiny_training import TINY, equal, weights

from gptaudit.decoder import batches as module

SET = tuple(word for key, value in TINY.items() for word in ("--set", f"{key}={value}"))
TEXT = "".join(
    f"The boat {n} left the harbour at {n % 7}, and boat {n % 13} came back.\n" for n in range(400)
)


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT)
    return path


def command(*arguments):
    return [sys.executable, "-m", "gptaudit", "decoder", "train", *map(str, arguments)]


def test_train_then_generate(gptaudit, tmp_path, corpus):
    """`decoder generate` writes from the folder of `decoder train`, the same texts for the same seed."""
    (tmp_path / "more.jsonl").write_text('{"text": "one more"}\n')
    ran = gptaudit(
        *(
            "decoder",
            "train",
            "--corpus",
            corpus,
            "--corpus",
            "more.jsonl",
            "--out",
            "out",
            "--steps",
            20,
            *SET,
        )
    )
    options = ("out", "--prompt", "The boat", "--max-new-tokens", 4, "--n", 2)
    texts = [gptaudit("decoder", "generate", *options, "--seed", seed).out for seed in (1, 1, 2)]

    assert ran.code == 0, ran.err
    assert "1,280 tokens seen" in ran.out
    assert "validation loss" in ran.out
    assert json.loads((tmp_path / "out" / "training.json").read_text())["corpus"]["documents"] == 2
    assert texts[0] == texts[1] != texts[2]


def test_tokens_in_place_of_steps(gptaudit, tmp_path, corpus):
    """`--tokens` gives the smallest number of steps that sees this many."""
    ran = gptaudit("decoder", "train", "--corpus", corpus, "--out", "out", "--tokens", 130, *SET, "--quiet")

    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "out" / "training.json").read_text())["steps"] == 3


def test_the_cache_is_shared(gptaudit, tmp_path, corpus):
    """A second training on the same text reuses the cached tokens, and gets the same weights."""
    times = []
    for out in ("a", "b"):
        ran = gptaudit(
            *("decoder", "train", "--corpus", corpus, "--out", out, "--steps", 2, *SET, "--cache", "cache")
        )
        assert ran.code == 0, ran.err
        (tokens,) = (tmp_path / "cache").glob("*.bin")
        times.append(tokens.stat().st_mtime_ns)

    assert times[0] == times[1]
    assert equal(weights(tmp_path / "a"), weights(tmp_path / "b"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--corpus", "none.txt", "--out", "out"), "corpus none.txt: cannot be read"),
        (("--corpus", "corpus.txt"), "--out"),
        (("--corpus", "corpus.txt", "--out", "out", "--steps", "0"), "steps"),
        (("--corpus", "corpus.txt", "--out", "out", "--steps", "1", "--tokens", "9"), "give one of them"),
        (("--corpus", "corpus.txt", "--out", "out", "--set", "layer=2"), "Did you mean 'layers'?"),
        (("--corpus", "corpus.txt", "--out", "out", "--set", "layers"), "expected KEY=VALUE"),
        (
            ("--corpus", "corpus.txt", "--out", "out", "--set", "context=99999"),
            "fewer than one context of 99999",
        ),
        (("--corpus", "corpus.txt", "--out", "out", "--resume"), "contains no training to resume"),
        (
            ("--corpus", "corpus.txt", "--out", "out", "--tokenizer", "none"),
            "tokenizer none: the folder is missing",
        ),
        (("--corpus", "bad.jsonl", "--out", "out"), "bad.jsonl, line 2"),
    ],
)
def test_bad_arguments_exit_2(gptaudit, tmp_path, corpus, arguments, message):
    """A bad argument ends with exit code 2 and one message that names it."""
    (tmp_path / "bad.jsonl").write_text('{"text": "good"}\nbad\n')

    ran = gptaudit("decoder", "train", *arguments)

    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_an_interrupt_says_how_to_go_on(gptaudit, corpus, monkeypatch):
    """Ctrl-C ends with exit code 130, and the same command with --resume continues."""
    arguments = ("decoder", "train", "--corpus", corpus, "--out", "out", "--steps", 30, *SET)
    step = module.ShuffledBatches.__getitem__

    def interrupted(batches, number):
        if number == 20:
            raise KeyboardInterrupt
        return step(batches, number)

    with monkeypatch.context() as patch:
        patch.setattr(module.ShuffledBatches, "__getitem__", interrupted)
        ran = gptaudit(*arguments)
    went_on = gptaudit(*arguments, "--resume")

    assert ran.code == 130
    assert "--resume" in ran.err
    assert went_on.code == 0, went_on.err


@pytest.mark.slow
@pytest.mark.parametrize("kibibytes", [2, 40, 120])
def test_a_full_disk_is_named(tmp_path, corpus, kibibytes):
    """If any file cannot be written, the message says so and the exit code is 2."""
    arguments = ("--corpus", corpus, "--out", tmp_path / "out", "--steps", 20, *SET, "--set", "width=64")

    ran = gptaudit_in_small_files(kibibytes, "decoder", "train", *arguments)

    assert ran.returncode == 2, ran.stderr
    assert "could not be written" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bits(tmp_path, corpus):
    """A process killed at any moment, twice, resumes to the weights of an uninterrupted one."""
    arguments = (
        "--corpus",
        corpus,
        "--steps",
        400,
        *SET,
        "--set",
        "dropout=0.1",
        "--set",
        "evaluate_every=20",
    )
    subprocess.run(command("--out", tmp_path / "whole", *arguments), check=True, capture_output=True)
    out = tmp_path / "out"
    for kill in (1, 2):
        process = subprocess.Popen(
            command("--out", out, *arguments, *(["--resume"] if kill == 2 else [])), stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(list(out.glob("checkpoints/checkpoint-*"))) < 1:
            time.sleep(0.01)
        if kill == 2:
            time.sleep(8)
        process.send_signal(signal.SIGKILL)
        process.wait()
    if not (out / "training.json").exists():
        subprocess.run(command("--out", out, *arguments, "--resume"), check=True, capture_output=True)

    assert equal(weights(tmp_path / "whole"), weights(out))


@pytest.mark.slow
def test_two_processes_train_together(tmp_path, corpus):
    """Under torchrun two processes see twice the tokens per step, the loss falls, and only one writes and prints."""
    program = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "29617",
    ]
    arguments = command("--corpus", corpus, "--out", tmp_path / "out", "--steps", 150, *SET)[1:]
    arguments += ["--set", "learning_rate=1e-2"]

    ran = subprocess.run(
        [*program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=250,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )

    assert ran.returncode == 0, ran.stderr
    record = json.loads((tmp_path / "out" / "training.json").read_text())
    assert (record["processes"], record["tokens"]) == (2, 2 * 150 * 4 * 16)
    assert record["loss"] < 0.6 * record["losses"][0]["loss"]
    assert ran.stdout.count("tokens seen") == 1
