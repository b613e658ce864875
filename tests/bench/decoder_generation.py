"""Tokens per second that the bundled decoder writes, against `generate` of a GPT-2 with the same weights.

    python tests/bench/decoder_generation.py [--preset mini|small] [--tokens 64] [--repeats 5] [--threads N]

Both draw at temperature 1 from the same random weights, with keys and values kept: one text, then 16 at once, each
after a prompt of 16 tokens. They run in turn in one process; loading and a first call are not timed. Printed are the
medians of tokens per second, and the median of the ratios of the two runs of each turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from gptaudit.backends.decoder import open_decoder
from gptaudit.causal_lm.options import TorchOptions
from gptaudit.decoder.gpt2 import export_gpt2
from gptaudit.decoder.model import DecoderConfig, DecoderForCausalLM
from gptaudit.decoder.tokenizer import train_tokenizer
from gptaudit.records import Completion, GenerateRequest, Sampling

PRESETS = {"mini": (4, 4, 128, 128, 1536), "small": (8, 6, 384, 256, 8192)}
"""Layers, heads, width, context, vocabulary."""

PROMPT = 16


def save(preset: str, folder: Path) -> None:
    """Write a random decoder, and the same as a GPT-2."""
    layers, heads, width, context, vocabulary = PRESETS[preset]
    torch.manual_seed(0)
    config = DecoderConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=context,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    DecoderForCausalLM(config).save_pretrained(folder / "decoder")
    train_tokenizer([], vocab_size=258, context=context).save_pretrained(folder / "decoder")
    export_gpt2(folder / "decoder", folder / "gpt2")


def ours(folder: Path, rows: int, tokens: int) -> Callable[[], int]:
    """Ask the backend for one completion a row; the start token and one letter a token are the prompt."""
    backend = open_decoder(str(folder), TorchOptions(device="cpu"))
    requests = [GenerateRequest("abcdefghijklmno"[: PROMPT - 1], Sampling(tokens), i) for i in range(rows)]

    def draw() -> int:
        answers = backend.generate(requests, seed=0)
        return sum(answer.tokens for answer in answers if isinstance(answer, Completion))

    return draw


def theirs(folder: Path, rows: int, tokens: int) -> Callable[[], int]:
    """Call `generate` on the rows as one batch, without an end token."""
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    ids = AutoTokenizer.from_pretrained(folder)("abcdefghijklmno", return_tensors="pt").input_ids
    ids = ids.expand(rows, -1)
    how = {"do_sample": True, "top_k": 0, "eos_token_id": None, "pad_token_id": 1, "max_new_tokens": tokens}

    def draw() -> int:
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), **how)
        return out[:, ids.shape[1] :].numel()

    return draw


def timed(draw: Callable[[], int]) -> float:
    """Return tokens per second of one call."""
    begun = time.perf_counter()
    tokens = draw()
    return tokens / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="mini")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0 leaves torch's own number")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(arguments.preset, folder)
        for rows in (1, 16):
            ways = (
                ours(folder / "decoder", rows, arguments.tokens),
                theirs(folder / "gpt2", rows, arguments.tokens),
            )
            for draw in ways:
                draw()
            turns = [tuple(timed(draw) for draw in ways) for _ in range(arguments.repeats)]
            mine, other = (statistics.median(rates) for rates in zip(*turns, strict=True))
            ratio = statistics.median(a / b for a, b in turns)
            print(
                f"{arguments.preset}, {rows} at once: ours {mine:.0f} tokens/s, GPT-2's generate {other:.0f} "
                f"tokens/s, ratio {ratio:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
