"""Shared parts of the likelihood benchmarks: scoring in turns with the peer, and the limit set by arithmetic."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from models import MODELS, data_folder, saved
from transformers import AutoModelForCausalLM, AutoTokenizer

from gptaudit.causal_lm.encoding import EncodedPair, Encoder
from gptaudit.causal_lm.token_tree import read_tokens

Requests = Sequence[tuple[str, str]]


@dataclass
class Turns:
    """What a worker did in its turns."""

    seconds: list[float]
    cpu: list[float]
    logprobs: list[float]
    peak: float


def arguments(description: str) -> argparse.ArgumentParser:
    """Make a parser with the options that all likelihood benchmarks have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=MODELS, default="m1")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each; the median counts")
    parser.add_argument(
        "--peer-python", help="interpreter that has lm-eval; without it there is no comparison"
    )
    parser.add_argument("--batch-tokens", type=int, default=0)
    return parser


def race(options: argparse.Namespace, requests: Requests, choices: int) -> None:
    """Score the requests in turns and print the comparison; each `choices` of them are one item."""
    with saved(options.model, data_folder()) as folder:
        workers = {"gptaudit": [sys.executable, "gptaudit", str(folder), str(options.batch_tokens)]}
        if options.peer_python:
            workers["lm-eval"] = [options.peer_python, "lm-eval", str(folder)]
        turns = take_turns(workers, requests, options.rounds)
        limit = arithmetic_limit(folder, requests)
    report(turns, limit, len(requests) // choices, choices)


def take_turns(workers: dict[str, list[str]], requests: Requests, rounds: int) -> dict[str, Turns]:
    """Let the workers score in turns, one at a time, each in a process of its own."""
    script = str(Path(__file__).with_name("likelihood_worker.py"))
    running = {
        name: subprocess.Popen(
            [python, script, *rest],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for name, (python, *rest) in workers.items()
    }
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    for process in running.values():
        process.stdin.write(json.dumps(requests) + "\n")
    for _ in range(rounds):
        for name, process in running.items():
            process.stdin.write("score\n")
            process.stdin.flush()
            answers[name].append(json.loads(process.stdout.readline()))
    for process in running.values():
        process.stdin.close()
        process.wait()
    return {
        name: Turns(
            [turn["seconds"] for turn in given],
            [turn["cpu"] for turn in given],
            given[-1]["logprobs"],
            given[-1]["peak"],
        )
        for name, given in answers.items()
    }


def arithmetic_limit(folder: Path, requests: Requests) -> float:
    """Return the seconds that the matrix products of all distinct tokens take at the machine's peak, body and head."""
    encoder = Encoder(AutoTokenizer.from_pretrained(folder))
    tokens, predictions, distinct, heads = count([encoder.pair(*request) for request in requests])
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    head = model.get_output_embeddings().weight
    body = sum(p.numel() for p in model.base_model.parameters() if p.dim() == 2)
    body -= sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Embedding))
    width = head.shape[1]
    peaks = gemm_peak(1024, width, 4 * width), gemm_peak(512, width, head.shape[0])
    work = 2 * body * distinct, 2 * head.numel() * heads
    print(f"{tokens} tokens, {predictions} predictions; distinct {distinct} and {heads}; ", end="")
    print(f"peak {peaks[0] / 1e9:.0f} GFLOP/s, vocabulary head {peaks[1] / 1e9:.0f}")
    return work[0] / peaks[0] + work[1] / peaks[1]


def count(pairs: Sequence[EncodedPair]) -> tuple[int, int, int, int]:
    """Count tokens to read and to predict, then the distinct prefixes among each."""
    read, predicting = set(), set()
    for pair in pairs:
        tokens = read_tokens(pair)
        read |= {hash(tokens[:end]) for end in range(1, len(tokens) + 1)}
        predicting |= {hash(tokens[:end]) for end in range(len(pair.context), len(tokens) + 1)}
    total = sum(len(read_tokens(pair)) for pair in pairs)
    return total, sum(len(pair.continuation) for pair in pairs), len(read), len(predicting)


def gemm_peak(rows: int, inner: int, columns: int) -> float:
    """Measure a float32 matrix product, the best of ten, in FLOP/s."""
    a, b = torch.randn(rows, inner), torch.randn(columns, inner)
    out = torch.empty(rows, columns)
    best = float("inf")
    for _ in range(10):
        begun = time.perf_counter()
        torch.mm(a, b.T, out=out)
        best = min(best, time.perf_counter() - begun)
    return 2 * rows * inner * columns / best


def report(turns: dict[str, Turns], limit: float, items: int, choices: int) -> None:
    """Print rates, ratio, agreement, memory and the share of the limit."""
    for name, turn in turns.items():
        rates = ", ".join(f"{items / seconds:.2f}" for seconds in turn.seconds)
        print(
            f"{name}: {items / median(turn.seconds):.2f} items/s ({rates}), peak memory {turn.peak:.0f} MiB"
        )
    ours = turns["gptaudit"]
    print(f"share of the arithmetic limit: {limit / median(ours.seconds):.0%}")
    if "lm-eval" not in turns:
        return
    peer = turns["lm-eval"]
    difference = max(abs(a - b) for a, b in zip(ours.logprobs, peer.logprobs, strict=True))
    flips = sum(
        decision(ours.logprobs[i : i + choices]) != decision(peer.logprobs[i : i + choices])
        for i in range(0, len(ours.logprobs), choices)
    )
    print(f"ratio: {median(peer.seconds) / median(ours.seconds):.2f}, ", end="")
    print(f"by CPU time {median(peer.cpu) / median(ours.cpu):.2f}; ", end="")
    print(f"largest difference {difference:.1e} nats; {flips} decisions differ")


def decision(logprobs: Sequence[float]) -> int:
    """Return the number of the likeliest choice."""
    return max(range(len(logprobs)), key=logprobs.__getitem__)
