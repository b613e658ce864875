"""A toy bigram model, whose log-probabilities a test can compute itself."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Sequence
from zlib import crc32

WORDS = (
    *(" harbour", " garden", " window", " letter", " morning", " bridge", " kettle", " lantern"),
    *(" slept", " waited", " opened", " sang", " quietly", " again", " slowly", " today"),
)
"""The words that it generates; it can score any text."""


def tokens(text: str) -> list[str]:
    """Split a text into words, each with the spaces before it, and tags: `"<s>a  b" -> ["<s>", "a", "  b"]`."""
    return re.findall(r"<\w+>|\s*[^\s<]+|\s+|<", text)


def logprob(previous: str, token: str) -> float:
    """Return the log-probability of a token after another, in nats: a checksum scaled to -4.5 to -0.5."""
    return -0.5 - (crc32(f"{previous}\0{token}".encode()) % 4096) / 1024


def logprobs(found: Sequence[str], start: str = "") -> list[float | None]:
    """Return the log-probability of each token; None for the first one if there is no start token."""
    before = [start, *found[:-1]]
    return [logprob(b, t) if b else None for b, t in zip(before, found, strict=True)]


def likeliest(previous: str) -> tuple[str, float]:
    """Return the likeliest word after a token, and its log-probability."""
    word = max(WORDS, key=lambda word: logprob(previous, word))
    return word, logprob(previous, word)


def write(
    prompt: str,
    most: int,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: object = None,
) -> list[str]:
    """Return `most` words that continue a prompt; temperature 0 is greedy. Without a seed, they differ in each call."""
    drawn = random.Random(str(seed)) if seed is not None else random.Random()
    previous = (tokens(prompt) or [""])[-1]
    written: list[str] = []
    for _ in range(most):
        ranked = sorted(WORDS, key=lambda word: -logprob(previous, word))
        if temperature > 0:
            kept = ranked[:top_k] if top_k else ranked
            weights = [math.exp(logprob(previous, word) / temperature) for word in kept]
            kept = kept[: _nucleus(weights, top_p)]
            previous = drawn.choices(kept, weights[: len(kept)])[0]
        else:
            previous = ranked[0]
        written.append(previous)
    return written


def _nucleus(weights: Iterable[float], top_p: float) -> int:
    """Return how many of the most likely words together reach `top_p`; `weights` are in descending order."""
    found = list(weights)
    limit, total = top_p * sum(found), 0.0
    for number, weight in enumerate(found, start=1):
        total += weight
        if total >= limit:
            return number
    return len(found)
