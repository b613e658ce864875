"""Speed and loss of training the bundled decoder: nanoGPT's README configuration for a CPU, on tiny Shakespeare.

    python tests/bench/decoder_training.py CORPUS [--nanogpt CHECKOUT] [--steps 2000] [--rounds 5] [--out DIR]

Four layers, four heads, width 128, context 64, batch 12, no dropout, byte tokens (each of the 65 characters of the
corpus is a byte), the first 90 % to learn from, the last 10 % to validate with. It prints tokens per second and the
validation loss over every block of the last 10 %. With a checkout of github.com/karpathy/nanoGPT, both are timed in
turns, a round of each after the other: CPU seconds and wall seconds of the steps between a short and a longer run, so
that neither start-up nor validation counts.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHORT, LONG = 20, 420
"""Steps of the two runs whose difference is timed."""
TOKENS = 12 * 64
SHAPE = {
    "layers": 4,
    "heads": 4,
    "width": 128,
    "context": 64,
    "vocab_size": 258,
    "batch": 12,
    "validation": 0.1,
}
FITTING = {"learning_rate": 4e-3, "final_rate": 0.0, "warmup": 0.05}
NANOGPT = (
    "--device=cpu --compile=False --eval_iters=1 --log_interval=100000 --block_size=64 --batch_size=12 --n_layer=4 "
    "--n_head=4 --n_embd=128 --lr_decay_iters=2000 --dropout=0.0"
)


def train(corpus: Path, out: Path, steps: int, **settings: object) -> dict[str, object]:
    """Train our decoder in a process of its own; return its record."""
    pairs = [f"--set={key}={value}" for key, value in {**SHAPE, **FITTING, **settings}.items()]
    program = [sys.executable, "-m", "gptaudit", "decoder", "train", "--quiet", "--preset", "mini"]
    arguments = ["--corpus", str(corpus), "--out", str(out), "--steps", str(steps), *pairs]
    subprocess.run([*program, *arguments], check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "training.json").read_text())


def nanogpt(checkout: Path, out: Path, steps: int) -> None:
    """Train nanoGPT in a process of its own."""
    arguments = [*NANOGPT.split(), f"--max_iters={steps}", f"--out_dir={out}"]
    program = [sys.executable, "-W", "ignore", "train.py", "config/train_shakespeare_char.py"]
    subprocess.run([*program, *arguments], check=True, cwd=checkout, stdout=subprocess.DEVNULL)


def prepare(corpus: Path, checkout: Path) -> None:
    """Write the characters as nanoGPT's own script does, which would download them."""
    text = corpus.read_text(encoding="utf-8")
    numbers = {character: number for number, character in enumerate(sorted(set(text)))}
    folder, cut = checkout / "data" / "shakespeare_char", len(text) * 9 // 10
    for name, part in (("train", text[:cut]), ("val", text[cut:])):
        np.array([numbers[character] for character in part], np.uint16).tofile(folder / f"{name}.bin")
    meta = {"vocab_size": len(numbers), "stoi": numbers, "itos": {n: c for c, n in numbers.items()}}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))


def timed(run, steps: int) -> tuple[float, float]:
    """Return the CPU seconds and the wall seconds of a run in another process."""
    before, begun = os.times(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "out", steps)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, time.perf_counter() - begun


def per_step(run) -> tuple[float, float]:
    """Return the CPU milliseconds and the wall milliseconds of a step."""
    short, longer = timed(run, SHORT), timed(run, LONG)
    return tuple(1000 * (b - a) / (LONG - SHORT) for a, b in zip(short, longer, strict=True))


def race(corpus: Path, checkout: Path, rounds: int) -> None:
    """Time both in turns, and print each round and the medians."""
    prepare(corpus, checkout)
    still = {"checkpoint_every": 0, "evaluation_blocks": 12}
    ratios = []
    for number in range(1, rounds + 1):
        ours = per_step(lambda out, steps: train(corpus, out, steps, evaluate_every=steps, **still))
        theirs = per_step(lambda out, steps: nanogpt(checkout, out, steps))
        ratios.append([their / our for our, their in zip(ours, theirs, strict=True)])
        print(
            f"round {number}: gptaudit {ours[0]:.1f} ms CPU, {ours[1]:.1f} ms wall a step; nanoGPT {theirs[0]:.1f}, "
            f"{theirs[1]:.1f}; tokens/s ratio {ratios[-1][0]:.3f} by CPU, {ratios[-1][1]:.3f} by wall",
            flush=True,
        )
    cpu, wall = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(
        f"tokens/s, gptaudit to nanoGPT, median of {rounds}: {cpu:.3f} by CPU time, {wall:.3f} by wall time"
    )


def main() -> None:
    """Race against nanoGPT where there is a checkout, then train to the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path, help="tiny Shakespeare, input.txt")
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="keep the decoder here")
    arguments = parser.parse_args()
    if arguments.nanogpt:
        race(arguments.corpus, arguments.nanogpt, arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        out, steps = arguments.out or Path(folder) / "out", arguments.steps
        every = {"evaluate_every": max(steps // 8, 1), "evaluation_blocks": 1_000_000}
        record = train(arguments.corpus, out, steps, checkpoint_every=0, **every)
    print(
        f"{steps} steps: {record['tokens_per_second']:,.0f} tokens/s with validation, {record['seconds']:.0f} s, "
        f"training loss {record['loss']:.4f}, validation loss {record['validation_loss']:.4f} (all blocks), "
        f"{record['threads']} threads"
    )


if __name__ == "__main__":
    main()
