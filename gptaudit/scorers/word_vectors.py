"""
Word vectors: how near words are in meaning, so that an answer in other words is still seen to be about its request.

The bundled ones are English: what the encoder all-MiniLM-L6-v2 says of each whole word of its vocabulary by itself,
less the mean of all words, on the first principal components (as Tulkens and van Dongen, "Model2Vec", 2024).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptaudit.errors import ScorerError, first_line

FORMAT = "gptaudit.word-vectors/1"
VECTORS = Path(__file__).parent / "vectors" / "words.safetensors"
COMMON = 500
"""Rank of the word that counts half as much as a rare one: a / (a + p), with p as 1 / rank (Arora et al. 2017)."""


@dataclass(frozen=True)
class WordVectors:
    """Unit vectors of words, the most frequent word first."""

    rows: Mapping[str, int]
    vectors: NDArray[np.float32]
    """(N, D), each of length 1."""

    def weight(self, word: str) -> float:
        """Return how much a word tells, in (0, 1): little where it is frequent."""
        row = self.rows.get(word)
        return 1.0 if row is None else (row + 1) / (row + 1 + COMMON)

    def nearness(self, words: Sequence[str], others: Iterable[str]) -> list[float]:
        """
        Return of each word how near the nearest of the others is: their cosine from 0 to 1.

        A word without a vector is near to itself alone.
        """
        spoken = set(others)
        known = [self.rows[other] for other in spoken if other in self.rows]
        found = [float(word in spoken) for word in words]
        places = [place for place, word in enumerate(words) if word in self.rows and not found[place]]
        if known and places:
            near = self.vectors[[self.rows[words[place]] for place in places]] @ self.vectors[known].T
            for place, value in zip(places, near.max(axis=1).tolist(), strict=True):
                found[place] = min(1.0, max(0.0, value))
        return found


def write_vectors(path: Path, words: Sequence[str], steps: NDArray[np.int8]) -> None:
    """Write the vectors of words, the most frequent word first, as whole numbers of steps, (N, D)."""
    from safetensors.numpy import save_file

    metadata = {"format": FORMAT, "words": " ".join(words), "sha256": _digest(words, steps)}
    save_file({"vectors": steps}, path, metadata)


@cache
def bundled_vectors() -> WordVectors:
    """Return the bundled vectors; raise `ScorerError` where the file is damaged."""
    return read_vectors(VECTORS)


@cache
def vectors_sha256() -> str:
    """Return the hash of the bundled file."""
    return hashlib.sha256(VECTORS.read_bytes()).hexdigest()


def read_vectors(path: Path) -> WordVectors:
    """
    Read vectors that `write_vectors` wrote; no code is run.

    Raises:
        ScorerError: the file is missing, damaged, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError) as error:
        msg = f"{path}: cannot be read: {first_line(error)}; expected word vectors in safetensors"
        raise ScorerError(msg) from error
    words, steps = metadata.get("words", "").split(), tensors.get("vectors")
    if (
        metadata.get("format") != FORMAT
        or steps is None
        or steps.shape[:1] != (len(words),)
        or _digest(words, steps) != metadata.get("sha256")
    ):
        msg = f"{path}: expected word vectors of the format {FORMAT!r}, as they were written; install gptaudit again"
        raise ScorerError(msg)
    vectors = steps.astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return WordVectors({word: row for row, word in enumerate(words)}, vectors)


def _digest(words: Sequence[str], steps: NDArray[np.int8]) -> str:
    return hashlib.sha256(" ".join(words).encode() + steps.tobytes()).hexdigest()
