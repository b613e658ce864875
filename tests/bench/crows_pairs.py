"""CrowS-Pairs log-likelihoods on a random model of GPT-2's shape (124M): batched against one sentence at a time.

    GPTAUDIT_DATA=DIR python tests/bench/crows_pairs.py [--pairs 200]

Prints pairs per second of both, their ratio, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from gptaudit.backends.hf import HuggingFaceOptions, open_hf
from gptaudit.datasets import CROWS_PAIRS, find, read_csv
from gptaudit.engine.local import CHUNK
from gptaudit.records import ScoreRequest


def save_model(folder: Path, data: Path) -> None:
    """Save a random GPT-2 with a byte-level BPE of 16,384 tokens trained on the public corpora."""
    bpe = ByteLevelBPETokenizer()
    texts = [str(path) for path in sorted(data.glob("corpus-*/*.txt"))]
    bpe.train(texts, vocab_size=16_384, special_tokens=["<|endoftext|>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        model_max_length=1024,
    )
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def seconds(backend, batches) -> float:
    """Time the scoring of batches of requests."""
    begun = time.perf_counter()
    for batch in batches:
        backend.score(batch)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    pairs = parser.parse_args().pairs
    data = Path(os.environ["GPTAUDIT_DATA"])
    rows = [row for _, row in read_csv(find(CROWS_PAIRS, data), ("sent_more", "sent_less"))]
    rows = rows[:: max(1, len(rows) // pairs)][:pairs]
    requests = [ScoreRequest("", row[column]) for row in rows for column in ("sent_more", "sent_less")]
    requests.sort(key=lambda request: -len(request.continuation))
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), data)
        backend = open_hf(folder, HuggingFaceOptions(device="cpu"))
        backend.score(requests[:8])
        chunks = [requests[i : i + CHUNK] for i in range(0, len(requests), CHUNK)]
        batched = len(rows) / seconds(backend, chunks)
        few = requests[:: max(1, len(requests) // 40)]
        single = len(few) / 2 / seconds(backend, [[request] for request in few])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(rows)} pairs: batched {batched:.1f} pairs/s, one by one {single:.1f} pairs/s, ", end="")
    print(f"ratio {batched / single:.2f}, peak memory {peak:.0f} MiB, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
