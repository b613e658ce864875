"""Completions of RealToxicityPrompts: ours against `generate` and garak.

    GPTAUDIT_DATA=DIR python tests/bench/generation.py [--model NAME] [--prompts 64] [--samples 5] [--repeats 3]
        [--garak-python PATH]

`fixed` draws exactly 20 tokens for each completion, at temperature 1. `ragged` draws up to 60 with one token in twenty
an end token, so that completions end at random. Each way runs in a process of its own, one after the other, and all of
them again for every repeat; loading the model and a warm-up are not timed. `generate` is used in the best way that was
found, 16 prompts at a time, sorted by length. garak (0.17.1, in a virtual environment of its own) takes one prompt at a
time and is given 8 of them. Printed are the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKENS = {"fixed": 20, "ragged": 60}
EVERY = 20
"""In the ragged case, every twentieth token of the vocabulary is an end token."""


def prompts(data: Path, count: int) -> list[str]:
    """Take prompts evenly spaced over the file."""
    lines = (data / "realtoxicityprompts" / "rtp_5000_val.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prompt"]["text"] for line in lines[:: len(lines) // count][:count]]


def ours(folder: str, texts: list[str], case: str, samples: int) -> Callable[[], int]:
    """Ask as an audit does, with the local engine."""
    from gptaudit.backends.hf import HuggingFaceOptions, open_hf
    from gptaudit.engine.local import local
    from gptaudit.protocols.engine import Work
    from gptaudit.records import GenerateRequest, Sampling

    backend = open_hf(folder, HuggingFaceOptions(device="cpu"))
    requests = [GenerateRequest(text, Sampling(TOKENS[case]), i) for text in texts for i in range(samples)]
    backend.generate(requests[:2], seed=0)
    return lambda: sum(answer.tokens for _, answer in local(Work(requests, 1, backend)))


def plain(folder: str, texts: list[str], case: str, samples: int, batch: int = 16) -> Callable[[], int]:
    """Call `generate` of transformers for 16 prompts at a time, sorted by length."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = sorted(texts, key=lambda text: len(tokenizer(text)["input_ids"]))
    ends = list(range(0, model.config.vocab_size, EVERY))
    length = {"fixed": {"eos_token_id": None}, "ragged": {"eos_token_id": ends}}[case]

    def draw(some: list[str], count: int) -> int:
        encoded = tokenizer(some, return_tensors="pt", padding=True)
        with torch.inference_mode():
            out = model.generate(
                **encoded,
                **length,
                do_sample=True,
                top_k=0,
                pad_token_id=0,
                num_return_sequences=count,
                max_new_tokens=TOKENS[case],
            )
        return int((out[:, encoded["input_ids"].shape[1] :] != 0).sum())

    draw(texts[:1], 2)
    return lambda: sum(draw(texts[i : i + batch], samples) for i in range(0, len(texts), batch))


def garak(folder: str, texts: list[str], case: str, samples: int) -> Callable[[], int]:
    """Call garak's own generator for local models, one prompt at a time, as its harness does."""
    from garak import _config
    from garak.attempt import Conversation, Message, Turn
    from garak.generators.huggingface import Pipeline

    _config.load_base_config()
    options = {"hf_args": {"torch_dtype": "float32", "device": "cpu"}, "max_tokens": TOKENS[case]}
    _config.plugins.generators["huggingface"] = {"Pipeline": options}
    generator = Pipeline(folder, config_root=_config)

    def draw(text: str, count: int) -> int:
        generator.generate(Conversation([Turn("user", Message(text))]), generations_this_call=count)
        return count * TOKENS[case]

    draw(texts[0], 2)
    return lambda: sum(draw(text, samples) for text in texts)


WAYS = {"ours": ours, "plain": plain, "garak": garak}


def work(way: str, folder: str, case: str, samples: int) -> None:
    """Run one way on the prompts from standard input; print what it took."""
    draw = WAYS[way](folder, json.load(sys.stdin), case, samples)
    begun, busy = time.perf_counter(), time.process_time()
    tokens = draw()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "tokens": tokens, "peak": peak}))


def run(python: str, way: str, folder: str, case: str, samples: int, texts: list[str]) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [
        python,
        "-P",
        __file__,
        "--work",
        way,
        "--folder",
        folder,
        "--case",
        case,
        "--samples",
        str(samples),
    ]
    done = subprocess.run(
        command,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    count = len(texts) * samples
    return {**found, "rate": count / found["seconds"], "per_cpu": count / found["cpu"]}


def compare(
    case: str, ways: dict[str, str], folder: str, texts: list[str], arguments: argparse.Namespace
) -> None:
    """Time every way in turn, as often as asked, and print the medians."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(arguments.repeats):
        for way, python in ways.items():
            some = texts[:8] if way == "garak" else texts
            found[way].append(run(python, way, folder, case, arguments.samples, some))
    medians = {
        way: {
            key: statistics.median(one[key] for one in runs) for key in ("rate", "per_cpu", "peak", "tokens")
        }
        for way, runs in found.items()
    }
    for way, median in medians.items():
        ratio = medians["ours"]["rate"] / median["rate"]
        each = ", ".join(f"{one['rate']:.1f}" for one in found[way])
        print(
            f"{case} {way}: {median['rate']:.1f} completions/s ({each}), ours is {ratio:.2f} times that, "
            f"{median['per_cpu']:.1f} a CPU second, {median['tokens']:.0f} tokens, "
            f"peak memory {median['peak']:.0f} MiB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=["m1", "m2", "smollm2", "gemma3"], default="m1")
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", choices=list(TOKENS), help="only this one")
    parser.add_argument("--garak-python", help="Python of a virtual environment that has garak")
    parser.add_argument("--work", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.folder, arguments.case, arguments.samples)
        return
    from models import data_folder, saved

    texts = prompts(data_folder(), arguments.prompts)
    with saved(arguments.model, data_folder()) as folder:
        vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
        for case in [arguments.case] if arguments.case else TOKENS:
            ends = {"fixed": None, "ragged": list(range(0, vocabulary, EVERY))}[case]
            settings = folder / "generation_config.json"
            settings.write_text(json.dumps({**json.loads(settings.read_text()), "eos_token_id": ends}))
            ways = {"ours": sys.executable, "plain": sys.executable}
            if arguments.garak_python and case == "fixed":
                ways["garak"] = arguments.garak_python
            compare(case, ways, str(folder), texts, arguments)


if __name__ == "__main__":
    main()
